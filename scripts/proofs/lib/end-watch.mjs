// When processes that were killed have really ended: a signal is answered at once only by a machine that is idle, and what a
// process had open is closed with its last thread. Watched by a thread of its own, before all others where that is allowed.
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const EVERY_MS = 1;
const LIMIT_MS = 30_000;

/** @returns {{ watch(name: string, pid: number, atMs: number): void, since(name: string, atMs: number): number | null, endMs: number[], close(): Promise<number> }} */
export function startEndWatch() {
  const thread = new Worker(new URL(import.meta.url));
  const kills = [];
  const endMs = [];
  thread.on('message', ({ index, endedAtMs }) => {
    kills[index].endedAtMs = endedAtMs;
    endMs.push(Math.max(0, endedAtMs - kills[index].atMs));
  });
  return {
    /** From the signal to the end of each process, milliseconds. */
    endMs,
    watch(name, pid, atMs) {
      kills.push({ name, atMs, endedAtMs: null });
      thread.postMessage({ index: kills.length - 1, pid, atMs });
    },
    /** Milliseconds from the end of the last process of that name that was killed before; null: none was, or it is not known yet. */
    since(name, atMs) {
      const kill = kills.findLast((each) => each.name === name && each.atMs <= atMs);
      if (kill === undefined || kill.endedAtMs === null || atMs - kill.atMs > LIMIT_MS) return null;
      return Math.max(0, atMs - kill.endedAtMs);
    },
    close: () => thread.terminate(),
  };
}

function hasEnded(pid) {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0];
    return state === 'Z' && readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch {
    return true;
  }
}

if (!isMainThread) {
  try {
    // Of this thread alone.
    setPriority(-10);
  } catch {
    // Needs a right; without it the end of a process may be seen a little late.
  }
  const watched = new Set();
  parentPort.on('message', (kill) => watched.add(kill));
  setInterval(() => {
    for (const kill of watched) {
      if (!hasEnded(kill.pid)) continue;
      watched.delete(kill);
      parentPort.postMessage({ index: kill.index, endedAtMs: Date.now() });
    }
  }, EVERY_MS);
}
