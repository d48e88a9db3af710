/** As in the native sampler: the kernel counts in ticks of 10 ms and throttles in periods of 100 ms. */
export const MIN_WINDOW_MS = 490;
/** What changes slowly is read about once a second whatever the rate. */
export const SLOW_EVERY_MS = 900;

/** Which sources are to be read for a sample, besides the memory that is nearest to its limit, which always is. */
export interface Due {
  /** Those of which ratios are taken, and the other memory. */
  readonly counters: boolean;
  /** Limits, events, pressure, load, descriptors. */
  readonly slow: boolean;
}

export interface Rate {
  /** Δnumerator / Δdenominator since the last sample, NaN until a second one or when a counter ran backwards. */
  update(nowMs: number, numerator: number, denominator: number): number;
}

export function createRate(): Rate {
  let before: { readonly nowMs: number; readonly numerator: number; readonly denominator: number } | null =
    null;
  let value = Number.NaN;
  return {
    update(nowMs, numerator, denominator) {
      if (before === null || numerator < before.numerator || denominator < before.denominator) {
        value = Number.NaN;
        before = { nowMs, numerator, denominator };
        return value;
      }
      const elapsedMs = nowMs - before.nowMs;
      if (elapsedMs <= 0 || (!Number.isNaN(value) && elapsedMs < MIN_WINDOW_MS)) return value;
      const change = denominator - before.denominator;
      value = change > 0 ? (numerator - before.numerator) / change : 0;
      before = { nowMs, numerator, denominator };
      return value;
    },
  };
}
