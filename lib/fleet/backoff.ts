/**
 * Exponential wait with equal jitter: half of it is certain, the other half random, so that those who failed together do not
 * try again together.
 * @param doublings 0 for the first wait
 * @param random 0 ≤ r < 1
 * @returns milliseconds, at most `capMs`
 */
export function equalJitterMs(baseMs: number, doublings: number, capMs: number, random: number): number {
  const wholeMs = Math.min(baseMs * 2 ** Math.min(doublings, 30), capMs);
  return (wholeMs / 2) * (1 + random);
}
