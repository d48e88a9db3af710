import { createBoardReader, type WatchRow } from './board.js';
import { initialEngineState, stepEngine } from './policy.js';
import type { EnginePolicy } from './policy-budgets.js';
import type { EngineFinding, WatchFacts } from './policy-types.js';
import { readProcessState } from './process-state.js';

/** The engine as the probe thread judges it: steps of the pure policy over the board and the kernel's word. */
export interface EngineJudge {
  /** True when a look is due. */
  isDue(nowMs: number): boolean;
  step(nowMs: number, mainBusyMs: number, isLoading: boolean): EngineFinding | null;
  /** At the last look nothing was watched and nothing was in flight. */
  isIdle(): boolean;
  /** A counter of the application's that stands for the heartbeats of a watch. */
  setCounter(watchId: number, buffer: SharedArrayBuffer): void;
}

/** Requests that the application counts with `requests.begin()`. */
export interface CountedRequests {
  readonly active: number;
  readonly completed: number;
  readonly tokensTotal: number;
}

/** The probe thread's tick is 500 ms while there is something to judge; probes in between may look as well. */
const LOOK_EVERY_MS = 250;

export function createEngineJudge(
  board: SharedArrayBuffer,
  policy: EnginePolicy,
  counted: () => CountedRequests,
  hasProcfs: () => boolean = () => readProcessState(process.pid) !== null,
): EngineJudge {
  const reader = createBoardReader(board);
  const counters = new Map<number, Int32Array>();
  let state = initialEngineState(policy);
  let dueMs = 0;
  let isIdle = true;
  let procfs: boolean | null = null;

  function processOf({ pid, pidStart }: WatchRow): WatchFacts['process'] {
    if (pid === 0) return null;
    procfs ??= hasProcfs();
    if (!procfs) return null;
    const found = readProcessState(pid);
    if (found === null || (pidStart > 0 && found.startTicks !== pidStart)) return 'gone';
    switch (found.state) {
      case 'Z':
      case 'X':
      case 'x':
        return 'gone';
      case 'T':
        return 'stopped';
      case 't':
        return 'traced';
      default:
        return 'running';
    }
  }

  function beatsOf({ id, beats, beatSource }: WatchRow): WatchFacts['beats'] {
    if (beatSource === null) return null;
    if (beatSource === 'main') return { count: beats, isDirect: false };
    const counter = counters.get(id);
    // Between the board and the message that brings the counter.
    return counter === undefined ? null : { count: Atomics.load(counter, 0), isDirect: true };
  }

  return {
    isDue: (nowMs) => nowMs >= dueMs,
    step(nowMs, mainBusyMs, isLoading) {
      dueMs = nowMs + LOOK_EVERY_MS;
      const watches = reader.watches().map(
        (row): WatchFacts => ({
          id: row.id,
          dead: row.dead,
          process: row.dead === null ? processOf(row) : null,
          beats: beatsOf(row),
          check: row.check,
        }),
      );
      const { active, completed, tokensTotal } = counted();
      // Served requests are counted there as well. Of the others nobody knows whether they have had a first token.
      const others = reader.reports() ? Math.max(0, active - reader.open()) : 0;
      const running = reader.running() + others;
      isIdle = watches.length === 0 && running === 0 && active === 0;
      state = stepEngine(state, {
        atMs: nowMs,
        mainBusyMs,
        isLoading,
        running,
        prefilling: reader.prefilling() + others,
        progress: reader.progress() + completed + tokensTotal,
        givenUp: reader.givenUp(),
        rhythm: reader.rhythm(),
        watches,
      });
      return state.finding;
    },
    isIdle: () => isIdle,
    setCounter(watchId, buffer) {
      counters.set(watchId, new Int32Array(buffer, 0, 1));
    },
  };
}
