/** When an ejector takes a worker out, and for how long. See docs/fleet/ejector.md. */
export interface EjectorOptions {
  /** Failures in a row. Default 5. */
  readonly consecutive?: number;
  /** Smoothed success below this, with `ewmaMinSamples` within `windowMs`. Default 0.8. */
  readonly ewmaBelow?: number;
  readonly ewmaMinSamples?: number;
  readonly windowMs?: number;
  /** First ejection; doubles with each further one up to `maxEjectionMs`. Default 5000. */
  readonly baseEjectionMs?: number;
  readonly maxEjectionMs?: number;
  /** Time without failures after which one ejection is forgotten. Default 30 000. */
  readonly forgetAfterMs?: number;
  /** Largest share of the pool that is ejected at once, but always at least one of two. Default 0.33. */
  readonly maxEjectedRatio?: number;
  /** Below this share of routable workers ejections are ignored. Default 0.5. */
  readonly panicRatio?: number;
  /** A worker that comes back gets 10 % of its weight, all of it after this. Default 10 000. */
  readonly rampMs?: number;
  /** Success rates: this many standard deviations below the mean. Default 1.9, of at least 5 workers with 20 samples each. */
  readonly rateDeviations?: number;
  readonly rateMinHosts?: number;
  readonly rateMinSamples?: number;
  /** Fewer failures within `windowMs` make no outlier. Default 3. */
  readonly rateMinFailures?: number;
}

export type EjectorSettings = Required<EjectorOptions>;

export function settings(options: EjectorOptions): EjectorSettings {
  return {
    consecutive: 5,
    ewmaBelow: 0.8,
    ewmaMinSamples: 5,
    windowMs: 30_000,
    baseEjectionMs: 5000,
    maxEjectionMs: 300_000,
    forgetAfterMs: 30_000,
    maxEjectedRatio: 0.33,
    panicRatio: 0.5,
    rampMs: 10_000,
    rateDeviations: 1.9,
    rateMinHosts: 5,
    rateMinSamples: 20,
    rateMinFailures: 3,
    ...options,
  };
}
