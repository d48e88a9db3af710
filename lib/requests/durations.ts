/**
 * Upper bounds of the cumulative duration histogram in milliseconds (Prometheus' `le`, there in seconds); a last bucket
 * without bound follows. They reach from an embedding (5 ms) to a long generation (10 min).
 */
export const DURATION_BOUNDS_MS: readonly number[] = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000,
];
export const DURATION_BUCKETS = DURATION_BOUNDS_MS.length + 1;

/** Index of the first bound that is not below `ms`, else of the last bucket. */
export function durationBucket(ms: number): number {
  let index = 0;
  for (const bound of DURATION_BOUNDS_MS) {
    if (ms <= bound) return index;
    index += 1;
  }
  return index;
}

// The percentile scale: steps of 64 µs up to 0.5 ms, then eight equal steps per octave up to 2^24 steps (18 minutes).
// The middle of a step is within 1/16 (6.25 %) of everything in it. Found with clz32: no logarithm per request.
const UNITS_PER_MS = 1000 / 64;
const MAX_UNITS = 2 ** 24 - 1;
const LINEAR = 8;
export const SCALE_STEPS = 22 * LINEAR;

/** Index of the step that `ms` (≥ 0) falls into; what is longer than 18 minutes falls into the last. */
export function scaleIndex(ms: number): number {
  const units = Math.min(ms * UNITS_PER_MS, MAX_UNITS) | 0;
  if (units < LINEAR) return units;
  const exponent = 31 - Math.clz32(units);
  return (exponent - 2) * LINEAR + ((units >>> (exponent - 3)) & 7);
}

/** The middle of a step, in milliseconds. */
export function scaleValueMs(index: number): number {
  if (index < LINEAR) return (index + 0.5) / UNITS_PER_MS;
  const width = 2 ** ((index >>> 3) - 1);
  return ((LINEAR + (index & 7) + 0.5) * width) / UNITS_PER_MS;
}

/** Nearest-rank percentile (`q` in 0 … 1) of `total` durations counted on the scale, in milliseconds; 0 when there are none. */
export function scalePercentileMs(counts: Int32Array, total: number, q: number): number {
  if (total <= 0) return 0;
  const rank = Math.max(1, Math.ceil(q * total));
  let seen = 0;
  let index = 0;
  for (const count of counts) {
    seen += count;
    if (seen >= rank) return scaleValueMs(index);
    index += 1;
  }
  return scaleValueMs(SCALE_STEPS - 1);
}
