/** Tokens that may be in flight: a fixed number, or one that follows once a second how long requests wait in their workers. */
import type { Mutable } from '../mutable.js';
import { type AdaptiveLimitOptions, initialLimit, stepLimit } from './adaptive-limit.js';

export interface Limiter {
  readonly tokens: number;
  readonly isAdaptive: boolean;
  /** Infinity: before the first. */
  readonly nextStepMs: number;
  waited(waitMs: number): void;
  /** At any time; steps once a second. @param interTokenMs lately; absent: unknown */
  adapt(atMs: number, inFlightTokens: number, interTokenMs: number | undefined): void;
}

const SECOND_MS = 1000;

/** @param given fixed tokens, or how to adapt */
export function createLimiter(given: number | AdaptiveLimitOptions): Limiter {
  let limit = typeof given === 'number' ? null : initialLimit(given);
  let waits: number[] = [];
  const limiter: Mutable<Limiter> = {
    tokens: typeof given === 'number' ? given : initialLimit(given).tokens,
    isAdaptive: limit !== null,
    nextStepMs: Number.POSITIVE_INFINITY,
    waited(waitMs) {
      if (limit !== null) waits.push(waitMs);
    },
    adapt(atMs, inFlightTokens, interTokenMs) {
      const isFirst = limiter.nextStepMs === Number.POSITIVE_INFINITY;
      if (!isFirst && atMs < limiter.nextStepMs) return;
      limiter.nextStepMs = atMs + SECOND_MS;
      if (limit === null || isFirst) return;
      waits.sort((a, b) => a - b);
      limit = stepLimit(limit, {
        waitMs: waits[Math.floor(waits.length / 2)] ?? Number.NaN,
        interTokenMs: interTokenMs ?? Number.NaN,
        inFlightTokens,
      });
      limiter.tokens = limit.tokens;
      waits = [];
    },
  };
  return limiter;
}
