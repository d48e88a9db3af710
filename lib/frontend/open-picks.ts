/** Choices that nobody could take a moment ago: how long they wait for a worker, and for which. */
import type { WorkerRef } from '../fleet/types.js';

/** A stream that has lost its worker waits so long for another one to come back: what the client has is worth it. */
const PICK_LIMIT_MS = 2000;
const PICK_AGAIN_MS = 100;
/** … and then goes back to one that it has lost before, if that one is well again: all had a bad moment, as of a switch. */
const PICK_ANY_AFTER_MS = 300;

export interface OpenPicks {
  /** When the next one is due; Infinity: none is open. */
  nextMs(): number;
  /** False: it has waited as long as it may. */
  wait(choice: number, excluded: readonly WorkerRef[], atMs: number): boolean;
  end(choice: number): void;
  due(atMs: number): readonly { readonly choice: number; readonly excluded: readonly WorkerRef[] }[];
}

interface OpenPick {
  readonly excluded: readonly WorkerRef[];
  readonly untilMs: number;
  readonly againMs: number;
}

export function createOpenPicks(): OpenPicks {
  const open = new Map<number, OpenPick>();
  return {
    nextMs() {
      let nextMs = Number.POSITIVE_INFINITY;
      for (const { againMs } of open.values()) nextMs = Math.min(nextMs, againMs);
      return nextMs;
    },
    wait(choice, excluded, atMs) {
      const untilMs = open.get(choice)?.untilMs ?? atMs + PICK_LIMIT_MS;
      if (atMs >= untilMs) return false;
      open.set(choice, { excluded, untilMs, againMs: atMs + PICK_AGAIN_MS });
      return true;
    },
    end: (choice) => void open.delete(choice),
    due: (atMs) =>
      [...open]
        .filter(([, { againMs }]) => atMs >= againMs)
        .map(([choice, { untilMs, excluded }]) => ({
          choice,
          excluded: atMs >= untilMs - PICK_LIMIT_MS + PICK_ANY_AFTER_MS ? [] : excluded,
        })),
  };
}
