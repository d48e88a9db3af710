/**
 * Lives of workers that others have followed: neither a straggler's write nor an older history of the store brings them back.
 * After a while they are forgotten: what is still registered then lives, whatever came before.
 */
import type { WorkerRef } from './types.js';
import { lifeOf } from './worker-ref.js';

export interface PastLives {
  /** It is not registered any more; another life under the same key will have followed it. */
  gone(key: string, ref: WorkerRef): void;
  /** It is registered where nobody was known. */
  came(key: string, ref: WorkerRef, atMs: number): void;
  /** Another life has taken its place. */
  replaced(ref: WorkerRef, atMs: number): void;
  /** Until then it stays away; -Infinity: nobody has followed it. */
  pastUntilMs(ref: WorkerRef): number;
}

const MOST = 10_000;

/** @param keptMs how long one is remembered */
export function createPastLives(keptMs: number): PastLives {
  const followed = new Map<string, number>();
  const last = new Map<string, WorkerRef>();

  function replaced(ref: WorkerRef, atMs: number): void {
    followed.set(lifeOf(ref), atMs);
    trim(followed);
  }

  return {
    gone(key, ref) {
      last.set(key, ref);
      trim(last);
    },
    came(key, { incarnation }, atMs) {
      const before = last.get(key);
      last.delete(key);
      if (before !== undefined && before.incarnation !== incarnation) replaced(before, atMs);
    },
    replaced,
    pastUntilMs: (ref) => (followed.get(lifeOf(ref)) ?? Number.NEGATIVE_INFINITY) + keptMs,
  };
}

function trim(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > MOST && oldest !== undefined) map.delete(oldest);
}
