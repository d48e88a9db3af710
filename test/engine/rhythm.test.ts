import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ENGINE_POLICY, decodeBudgetMs } from '../../lib/engine/policy-budgets.js';
import { RHYTHM_BUCKETS, readRhythm, recordGap } from '../../lib/engine/policy-rhythm.js';
import { FAST } from './look.js';

describe('the rhythm of an engine', () => {
  const rhythmOf = (gaps: readonly number[]) => {
    const buckets = new Int32Array(RHYTHM_BUCKETS);
    for (const gap of gaps) recordGap(buckets, gap);
    return readRhythm(buckets);
  };

  it('is within 41 % above the gap that 99 of 100 do not exceed, and above the longest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 700_000, noNaN: true }), { minLength: 1, maxLength: 500 }),
        (gaps) => {
          const { samples, p99Ms, longestMs } = rhythmOf(gaps);
          const sorted = gaps.toSorted((a, b) => a - b);
          const exact = sorted[Math.ceil(0.99 * gaps.length) - 1]!;
          expect(samples).toBe(gaps.length);
          expect(p99Ms).toBeGreaterThanOrEqual(exact * 0.999);
          expect(p99Ms).toBeLessThanOrEqual(exact * 1.4143);
          expect(longestMs).toBeGreaterThanOrEqual(sorted.at(-1)! * 0.999);
        },
      ),
    );
  });

  it('forgets what has not happened for some thousand tokens', () => {
    const buckets = new Int32Array(RHYTHM_BUCKETS);
    recordGap(buckets, 30_000);
    for (let count = 0; count < 5000; count += 1) recordGap(buckets, 20);
    expect(readRhythm(buckets).longestMs).toBeLessThan(30);
  });

  it('decides how long a pause between two tokens may be, between floor and ceiling', () => {
    const budget = (rhythm: typeof FAST) => decodeBudgetMs(DEFAULT_ENGINE_POLICY, rhythm);
    expect(budget(FAST)).toBe(10_000);
    expect(budget({ samples: 1000, p99Ms: 4000, longestMs: 5000 })).toBe(24_000);
    expect(budget({ samples: 1000, p99Ms: 100, longestMs: 30_000 })).toBe(45_000);
    expect(budget({ samples: 1000, p99Ms: 60_000, longestMs: 60_000 })).toBe(120_000);
    // Not enough seen: nothing is presumed.
    expect(budget({ samples: 5, p99Ms: 10, longestMs: 10 })).toBe(120_000);
  });
});
