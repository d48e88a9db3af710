/** Who cannot have a first token in time, as fast as the pool is now. See docs/fleet/admission.md. */
import type { FairQueue, Waiting } from './fair-queue.js';
import { expectedFirstTokenMs } from './feasibility.js';
import type { InFlight } from './in-flight.js';
import type { Limiter } from './limiter.js';
import type { PoolRoom } from './types.js';

export interface Lateness {
  /** Would be too late even if it began now. */
  isLate(waiting: Waiting, atMs: number, room: PoolRoom): boolean;
  /** Will be too late behind those that are ahead: for their prefill, or for the tokens that must be served before. */
  willBeLate(waiting: Waiting, atMs: number, room: PoolRoom): boolean;
}

const SECOND_MS = 1000;
const NEVER = Number.POSITIVE_INFINITY;

export function createLateness({
  queue,
  running,
  limiter,
  isOverloaded,
}: {
  readonly queue: FairQueue;
  readonly running: InFlight;
  readonly limiter: Limiter;
  isOverloaded(atMs: number): boolean;
}): Lateness {
  function isLate({ prefillTokens, deadlineMs }: Waiting, atMs: number, room: PoolRoom): boolean {
    if (deadlineMs === NEVER) return false;
    return atMs + expectedFirstTokenMs(room.prefill, running.prefillTokens, prefillTokens) > deadlineMs;
  }

  function willBeLate(waiting: Waiting, atMs: number, room: PoolRoom): boolean {
    const { tenant, level, prefillTokens, tokens, deadlineMs } = waiting;
    if (deadlineMs === NEVER) return false;
    const ahead = queue.ahead(tenant, level, isOverloaded(atMs));
    // It is in the queue itself, and so among those ahead unless the newest is first.
    const own = isOverloaded(atMs) ? tokens : 0;
    const excess = running.tokens + ahead.tokens + own - limiter.tokens;
    const drainMs = room.tokensPerSecond > 0 ? (Math.max(0, excess) / room.tokensPerSecond) * SECOND_MS : 0;
    const prefillAhead =
      running.prefillTokens + Math.max(0, ahead.prefillTokens - (own > 0 ? 0 : prefillTokens));
    const prefillMs = expectedFirstTokenMs(room.prefill, prefillAhead, prefillTokens);
    const ownMs = expectedFirstTokenMs(room.prefill, 0, prefillTokens);
    return atMs + Math.max(prefillMs, drainMs + ownMs) > deadlineMs;
  }

  return { isLate, willBeLate };
}
