/**
 * How many tokens may be in flight in a pool, found from how long requests wait before they are scheduled. A request's whole
 * duration would say nothing: it grows with the length of its answer. See docs/fleet/admission.md.
 */
export interface AdaptiveLimitOptions {
  /** Wait that is aimed at, milliseconds. Default 100: 5 % of a time to first token of 2 s. */
  readonly targetMs?: number;
  readonly minTokens?: number;
  readonly maxTokens?: number;
  readonly initialTokens?: number;
  /** Growth of a step, tokens: one largest prefill. Default 2048. */
  readonly headroomTokens?: number;
}

export interface AdaptiveLimit {
  readonly tokens: number;
  readonly options: Required<AdaptiveLimitOptions>;
}

/** Weight of the new value, once a second. */
const NEW = 0.2;
const WORST = 0.5;

export function initialLimit(options: AdaptiveLimitOptions = {}): AdaptiveLimit {
  const settings = {
    targetMs: 100,
    minTokens: 2048,
    maxTokens: 10_000_000,
    initialTokens: 32_768,
    headroomTokens: 2048,
    ...options,
  };
  return { tokens: settings.initialTokens, options: settings };
}

/**
 * Once a second.
 * @param waitMs median wait of the requests that were scheduled since the last step; NaN: none was
 * @param inFlight tokens in flight now
 */
export function stepLimit(limit: AdaptiveLimit, waitMs: number, inFlight: number): AdaptiveLimit {
  const { tokens, options } = limit;
  const gradient = Number.isNaN(waitMs)
    ? 1
    : Math.min(1, Math.max(WORST, options.targetMs / Math.max(waitMs, 1)));
  // A limit that is not used says nothing about whether it could be higher.
  if (gradient === 1 && inFlight < tokens / 2) return limit;
  const next = (1 - NEW) * tokens + NEW * (gradient * tokens + options.headroomTokens);
  return { ...limit, tokens: Math.min(options.maxTokens, Math.max(options.minTokens, next)) };
}
