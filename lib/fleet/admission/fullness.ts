/** Whether it is certain that a request will be refused, before anything is known of it but its class. */
import type { Codel } from './codel.js';
import type { FairQueue } from './fair-queue.js';
import type { InFlight } from './in-flight.js';
import type { Limiter } from './limiter.js';
import type { PriorityClass } from './types.js';

const NEVER = Number.POSITIVE_INFINITY;

export function createFullness({
  classes,
  maxConcurrent,
  queue,
  running,
  limiter,
  codel,
}: {
  readonly classes: readonly PriorityClass[];
  readonly maxConcurrent: number;
  readonly queue: FairQueue;
  readonly running: InFlight;
  readonly limiter: Limiter;
  readonly codel: Codel | null;
}): { isFull(level: number, atMs: number, hasRoom: () => boolean): boolean } {
  /** Nobody fits, however small. */
  function isPacked(atMs: number, hasRoom: () => boolean): boolean {
    if (running.count >= maxConcurrent) return true;
    if (running.count > 0 && running.tokens >= limiter.tokens && atMs < limiter.nextStepMs) return true;
    return !hasRoom();
  }

  /** Nobody in the queue has waited so long that the next look at it makes a place. */
  function isSettled(atMs: number): boolean {
    if ((queue.nextToExpire()?.untilMs ?? NEVER) <= atMs) return false;
    if (codel === null) return true;
    const beforeMs = atMs - 2 * codel.targetMs;
    return classes.every((_, level) => (queue.oldest(level)?.sinceMs ?? atMs) >= beforeMs);
  }

  return {
    isFull: (level, atMs, hasRoom) =>
      queue.lengthOf(level) >= (classes[level]?.maxQueue ?? 0) && isPacked(atMs, hasRoom) && isSettled(atMs),
  };
}
