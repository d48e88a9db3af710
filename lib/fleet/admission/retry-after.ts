/**
 * Whole seconds after which room may be expected: what is ahead, less a fifth of the limit as slack, by the rate at which the
 * pool serves. See docs/fleet/admission.md.
 *
 * @param aheadTokens tokens that wait and run
 * @param limitTokens tokens that may run; Infinity: no limit
 * @param tokensPerSecond of the whole pool, lately; 0: unknown
 * @param random 0 to 1: up to a fifth is added, so that those refused together do not come back together
 * @returns 1 to 60
 */
export function retryAfterSeconds(
  aheadTokens: number,
  limitTokens: number,
  tokensPerSecond: number,
  random: number,
): number {
  const excess = Number.isFinite(limitTokens) ? aheadTokens - 0.8 * limitTokens : aheadTokens;
  if (excess <= 0 || tokensPerSecond <= 0) return 1 + Math.round(random);
  return Math.min(60, Math.max(1, Math.ceil((excess / tokensPerSecond) * (1 + 0.2 * random))));
}
