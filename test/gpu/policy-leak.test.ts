import { describe, expect, it } from 'vitest';
import { type Leak, leakReport, NO_LEAK, stepLeak } from '../../lib/gpu/leak.js';

const POLICY = { windowMinutes: 60, growthMbPerMinute: 10 };
const MIB = 2 ** 20;

/** `memoryMb` and `load` by minute, sampled every 20 s. */
function run(
  minutes: number,
  memoryMb: (minute: number) => number,
  load: (minute: number) => number | null,
): Leak {
  let state = NO_LEAK;
  for (let sample = 0; sample < minutes * 3; sample += 1) {
    const minute = sample / 3;
    state = stepLeak(state, memoryMb(minute) * MIB, load(minute), sample * 20_000, POLICY);
  }
  return state;
}
const detected = (state: Leak): boolean => state.sinceMs !== null;

describe('the trend of GPU memory', () => {
  it('is a leak when memory grows through the whole window and the load does not', () => {
    expect(
      detected(
        run(
          65,
          (minute) => 8000 + 12 * minute,
          () => 5,
        ),
      ),
    ).toBe(true);
    expect(
      detected(
        run(
          65,
          (minute) => 8000 + 12 * minute,
          (minute) => 20 - minute / 4,
        ),
      ),
    ).toBe(true);
  });

  it('is a leak when memory grows by steps, as allocators take it', () => {
    expect(
      detected(
        run(
          65,
          (minute) => 8000 + 128 * Math.floor(minute / 8),
          () => 5,
        ),
      ),
    ).toBe(true);
  });

  it('is none below the threshold', () => {
    expect(
      detected(
        run(
          120,
          (minute) => 8000 + 8 * minute,
          () => 5,
        ),
      ),
    ).toBe(false);
  });

  it('is none while the load grows with it', () => {
    expect(
      detected(
        run(
          180,
          (minute) => 8000 + 50 * minute,
          (minute) => 2 + minute / 10,
        ),
      ),
    ).toBe(false);
  });

  it('is none when a model is loaded, wherever in the window', () => {
    for (let at = 1; at < 60; at += 1) {
      expect(
        detected(
          run(
            65,
            (minute) => (minute < at ? 500 : 14_500),
            () => 5,
          ),
        ),
      ).toBe(false);
    }
  });

  it('is none for a cache that fills and then holds', () => {
    expect(
      detected(
        run(
          65,
          (minute) => 8000 + 2000 * (1 - Math.exp(-minute / 5)),
          () => 5,
        ),
      ),
    ).toBe(false);
  });

  it('is none when the first reading failed and said nothing', () => {
    expect(stepLeak(NO_LEAK, null, 1, 0, POLICY)).toBe(NO_LEAK);
    expect(
      detected(
        run(
          65,
          () => 8000,
          () => 5,
        ),
      ),
    ).toBe(false);
  });

  it('cannot be judged without knowing the load, and says so', () => {
    const state = run(
      65,
      (minute) => 8000 + 100 * minute,
      () => null,
    );
    expect(detected(state)).toBe(false);
    expect(leakReport(state, POLICY)).toMatchObject({
      leak_detected: false,
      warning: 'Request load unknown: growth cannot be judged',
    });
  });

  it('ends when the memory is given back', () => {
    let state = run(
      65,
      (minute) => 8000 + 12 * minute,
      () => 5,
    );
    for (let minute = 65; minute < 90; minute += 1)
      state = stepLeak(state, 8000 * MIB, 5, minute * 60_000, POLICY);
    expect(detected(state)).toBe(false);
  });

  it("is reported with BitNet.rs's keys", () => {
    const report = leakReport(
      run(
        65,
        (minute) => 8000 + 12 * minute,
        () => 5,
      ),
      POLICY,
    );
    expect(Object.keys(report)).toEqual([
      'leak_detected',
      'growth_rate_mb_per_min',
      'sample_count',
      'current_memory_mb',
      'baseline_memory_mb',
      'memory_trend',
      'warning',
    ]);
    expect(report.leak_detected).toBe(true);
    expect(report.growth_rate_mb_per_min).toBeCloseTo(12, 3);
    expect(report.sample_count).toBe(60);
    expect(report.memory_trend).toHaveLength(10);
    const short = leakReport(
      run(
        3,
        () => 100,
        () => 0,
      ),
      POLICY,
    );
    expect(short.warning).toMatch(/^Insufficient samples for leak detection/);
  });
});
