import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DURATION_BOUNDS_MS,
  DURATION_BUCKETS,
  durationBucket,
  SCALE_STEPS,
  scaleIndex,
  scalePercentileMs,
  scaleValueMs,
} from '../../lib/requests/durations.js';

describe('the percentile scale', () => {
  test('keeps every duration up to 16 minutes within 6.25 %, or 32 µs below half a millisecond', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 16 * 60_000, noNaN: true }), (ms) => {
        const value = scaleValueMs(scaleIndex(ms));
        expect(Math.abs(value - ms)).toBeLessThanOrEqual(Math.max(0.0321, ms * 0.0626));
      }),
      { numRuns: 2_000 },
    );
  });

  test('rises step by step without a gap', () => {
    let last = -1;
    for (let step = 0; step < SCALE_STEPS; step += 1) {
      const value = scaleValueMs(step);
      expect(value).toBeGreaterThan(last);
      expect(scaleIndex(value)).toBe(step);
      last = value;
    }
  });

  test('puts what is longer than it reaches into its last step', () => {
    for (const ms of [20 * 60_000, 1e9, Number.MAX_VALUE, Infinity])
      expect(scaleIndex(ms)).toBe(SCALE_STEPS - 1);
  });

  test('gives percentiles within 7 % of those of the sorted durations', () => {
    const durations = fc.array(fc.double({ min: 1, max: 600_000, noNaN: true }), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99), (all, q) => {
        const counts = new Int32Array(SCALE_STEPS);
        for (const ms of all) counts[scaleIndex(ms)]! += 1;
        const exact = all.sort((a, b) => a - b)[Math.max(1, Math.ceil(q * all.length)) - 1]!;
        const estimate = scalePercentileMs(counts, all.length, q);
        expect(Math.abs(estimate / exact - 1)).toBeLessThan(0.07);
      }),
    );
  });

  test('says 0 when nothing was counted', () => {
    expect(scalePercentileMs(new Int32Array(SCALE_STEPS), 0, 0.99)).toBe(0);
  });
});

describe('the duration histogram', () => {
  test('counts a duration under the first bound that is not below it', () => {
    expect(durationBucket(0)).toBe(0);
    DURATION_BOUNDS_MS.forEach((bound, index) => {
      expect(durationBucket(bound)).toBe(index);
      expect(durationBucket(bound + 0.001)).toBe(index + 1);
    });
    expect(durationBucket(1e9)).toBe(DURATION_BUCKETS - 1);
  });
});
