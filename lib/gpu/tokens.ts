/** How many tokens had been generated at some moments, oldest first. */
export type TokenHistory = readonly TokenCount[];

export interface TokenCount {
  readonly atMs: number;
  readonly tokens: number;
  /** Requests in flight then: each may have got one more token from work that was done already. */
  readonly inFlight: number;
}

/** Together longer than the longest deadline of a driver call, four times 5 s. */
const SPACING_MS = 900;
const MOMENTS = 32;

/** @param stuckSinceMs while the driver does not answer: the first count after it is kept, however long that lasts. */
export function stepTokens(
  history: TokenHistory,
  count: TokenCount | null,
  stuckSinceMs: number | null,
): TokenHistory {
  if (count === null) return [];
  const last = history.at(-1);
  // Counters of another process, or of one that began again.
  if (last !== undefined && count.tokens < last.tokens) return [count];
  if (stuckSinceMs !== null) {
    const first = firstSince(history, stuckSinceMs);
    return first === undefined ? [count] : [first, count];
  }
  if (last !== undefined && count.atMs - last.atMs < SPACING_MS) return history;
  return [...history, count].slice(-MOMENTS);
}

/** Tokens of GPU work that began later than that. Unlike a request, a token cannot have come without any. */
export function tokensSince(history: TokenHistory, sinceMs: number): number {
  const first = firstSince(history, sinceMs);
  const last = history.at(-1);
  return first === undefined || last === undefined ? 0 : last.tokens - first.tokens - first.inFlight;
}

function firstSince(history: TokenHistory, sinceMs: number): TokenCount | undefined {
  return history.find(({ atMs }) => atMs >= sinceMs);
}
