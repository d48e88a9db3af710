/**
 * All that one scrape of `/metrics` needs, as plain data: the probe thread fills it and posts it to the agent thread.
 * Times are monotonic milliseconds. NaN, null and a missing key all mean "not known": such a sample is left out, never 0.
 */
export interface MetricsInput {
  /** When this input was taken; ages are counted from here. */
  readonly nowMs: number;
  readonly build: BuildInput;
  readonly state: StateInput;
  readonly components: readonly ComponentInput[];
  /** Copy of the native section `host`, indexed as `HOST_FIELDS`; null before the first sample. */
  readonly host: Float64Array | null;
  /** Busy ratio of each core, 0 to 1; only with per-core sampling. */
  readonly cores?: Float64Array;
  readonly loop: LoopInput | null;
  readonly requests: RequestsInput | null;
  readonly probe: ProbeInput;
  /** How often a dead probe thread was replaced; the main thread counts it. */
  readonly probeThreadReplacements: number;
}

export interface BuildInput {
  /** Version of inference-health. */
  readonly version: string;
  /** Whether the native addon is loaded. */
  readonly native: boolean;
  readonly httpEngine: string;
  /** `process.version`. */
  readonly node: string;
}

export interface StateInput {
  readonly live: boolean;
  readonly ready: boolean;
  /** One of `PHASES`. */
  readonly phase: string;
  /** Status of the whole: one of `STATUSES`. */
  readonly status: string;
}

export interface ComponentInput {
  readonly name: string;
  /** One of `STATUSES`. */
  readonly status: string;
  /** When its fact was observed. */
  readonly observedAtMs: number;
}

export interface LoopInput {
  /** For how long the loop has been in its present iteration; 0 while it waits. */
  readonly busyMs: number;
  readonly longestStallMs: number;
  readonly stallCount: number;
  readonly stallTotalMs: number;
  /** Of the last interval, 0 to 1. */
  readonly utilization: number;
  readonly iterations: number;
}

export interface RequestsInput {
  readonly active: number;
  /** Requests that ended, failed ones included, since start. */
  readonly total: number;
  readonly failed: number;
  readonly tokens: number;
  /** Null when durations are not collected. */
  readonly durations: HistogramInput | null;
}

export interface HistogramInput {
  /** Upper bounds of the buckets in milliseconds, rising, without infinity. */
  readonly boundsMs: Float64Array;
  /** Observations in each bucket alone (not cumulative); one slot more than `boundsMs`, for everything above. */
  readonly counts: Float64Array;
  readonly sumMs: number;
}

/** What `ProbeHistogram.snapshot()` returns, and the open connections. */
export interface ProbeInput {
  readonly routes: readonly string[];
  /** Answers by route and status class: slot `route × 5 + class − 1`. */
  readonly counts: Float64Array;
  readonly durations: readonly HistogramInput[];
  readonly connections: number;
}

export const STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;
export const PHASES = ['starting', 'serving', 'draining', 'stopped', 'failed'] as const;
