/** What is known of a pool's speed, to tell early that a request cannot have its first token in time. */
export interface PrefillRate {
  /** Tokens a second that the pool prefills; 0: unknown. */
  readonly tokensPerSecond: number;
  /** What one worker of it prefills: a prompt is prefilled by one alone. Default: as the pool. */
  readonly ownTokensPerSecond?: number;
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
  const { tokensPerSecond, ownTokensPerSecond = tokensPerSecond, baseMs } = rate;
  if (tokensPerSecond <= 0) return Number.NaN;
  const ownMs = ownTokens === 0 ? 0 : (ownTokens / ownTokensPerSecond) * 1000;
  return baseMs + (queuedTokens / tokensPerSecond) * 1000 + ownMs;
}
