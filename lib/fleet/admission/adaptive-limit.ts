/**
 * How many tokens may be in flight in a pool, found from how long requests wait in their worker before it begins with them,
 * and from the time between tokens. A request's whole duration would say nothing: it grows with the length of its answer.
 * The wait in front of the limit would say the wrong thing: it grows as the limit falls. See docs/fleet/admission.md.
 */
export interface AdaptiveLimitOptions {
  /** Wait in a worker that is aimed at, milliseconds. Default 50, found by simulation for a time to first token of 2 s. */
  readonly targetMs?: number;
  /** Time between tokens that is aimed at, milliseconds. Default Infinity: it does not count. */
  readonly interTokenMs?: number;
  /** Default 2048. */
  readonly minTokens?: number;
  /** Default 10 000 000. */
  readonly maxTokens?: number;
  /** Default 32 768. */
  readonly initialTokens?: number;
  /** Least growth, tokens: one largest prefill. Default 2048. Large limits grow by a share instead. */
  readonly headroomTokens?: number;
}

export interface AdaptiveLimit {
  readonly tokens: number;
  readonly options: Required<AdaptiveLimitOptions>;
}

/** What was seen in the last second; NaN: nothing was. */
export interface Observed {
  /** Median wait in the workers, milliseconds. */
  readonly waitMs: number;
  readonly interTokenMs: number;
  /** Tokens in flight now. */
  readonly inFlightTokens: number;
}

/** Weight of the new value, once a second. */
const NEW = 0.2;
const WORST = 0.5;
/** Least growth as a share of the limit: 5 % a second. By tokens alone a limit of 32 768 needs minutes for a larger pool. */
const GROWTH = 0.25;

export function initialLimit(options: AdaptiveLimitOptions = {}): AdaptiveLimit {
  const settings = {
    targetMs: 50,
    interTokenMs: Number.POSITIVE_INFINITY,
    minTokens: 2048,
    maxTokens: 10_000_000,
    initialTokens: 32_768,
    headroomTokens: 2048,
    ...options,
  };
  return { tokens: settings.initialTokens, options: settings };
}

/** Once a second. A second in which nothing was seen changes nothing. */
export function stepLimit(limit: AdaptiveLimit, observed: Observed): AdaptiveLimit {
  const { tokens, options } = limit;
  const ratios = [
    options.targetMs / Math.max(observed.waitMs, 1),
    options.interTokenMs / Math.max(observed.interTokenMs, 1),
  ].filter((ratio) => !Number.isNaN(ratio));
  if (ratios.length === 0) return limit;
  const gradient = Math.min(1, Math.max(WORST, Math.min(...ratios)));
  // A limit that is not used says nothing about whether it could be higher.
  if (gradient === 1 && observed.inFlightTokens < tokens / 2) return limit;
  const headroom = Math.max(options.headroomTokens, GROWTH * tokens);
  const next = (1 - NEW) * tokens + NEW * (gradient * tokens + headroom);
  return { ...limit, tokens: Math.min(options.maxTokens, Math.max(options.minTokens, next)) };
}
