/** What is known of a pool's speed, to tell early that a request cannot have its first token in time. */
export interface PrefillRate {
  /** Tokens a second that the pool prefills; 0: unknown. */
  readonly tokensPerSecond: number;
  /** Time to first token of an empty prompt in an idle pool, milliseconds. */
  readonly baseMs: number;
}

/**
 * Expected time to the first token, milliseconds; NaN: unknown. To reject at once what will be too late is cheaper than to
 * let it wait, for the pool and for its client.
 * @param queuedTokens prefill that is ahead
 * @param ownTokens own prompt, less what a cache holds
 */
export function expectedFirstTokenMs(rate: PrefillRate, queuedTokens: number, ownTokens: number): number {
  if (rate.tokensPerSecond <= 0) return Number.NaN;
  return rate.baseMs + ((queuedTokens + ownTokens) / rate.tokensPerSecond) * 1000;
}
