import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOWEST, stepLevel } from '../../lib/status/levels.js';
import type { LevelState } from '../../lib/status/types.js';

const LADDER = [
  { enter: 80, leave: 78 },
  { enter: 90, leave: 88 },
];
const HOLD_MS = 5000;

function run(samples: readonly (readonly [atMs: number, value: number])[]): number[] {
  let state: LevelState = LOWEST;
  return samples.map(([atMs, value]) => {
    state = stepLevel(state, LADDER, HOLD_MS, value, atMs);
    return state.level;
  });
}

describe('a ladder of levels', () => {
  it('is entered at once, strictly above the threshold', () => {
    expect(run([[0, 80]])).toEqual([0]);
    expect(run([[0, 80.1]])).toEqual([1]);
    expect(run([[0, 90.1]])).toEqual([2]);
  });

  it('is left only after five unbroken seconds below the leave threshold', () => {
    expect(
      run([
        [0, 85],
        [1000, 77],
        [5999, 77],
        [6000, 77],
      ]),
    ).toEqual([1, 1, 1, 0]);
  });

  it('starts waiting anew when the value comes back in between', () => {
    expect(
      run([
        [0, 85],
        [1000, 77],
        [4000, 78],
        [5000, 77],
        [9999, 77],
        [10_000, 77],
      ]),
    ).toEqual([1, 1, 1, 1, 1, 0]);
  });

  it('stops half-way down where the value still holds a lower level', () => {
    expect(
      run([
        [0, 95],
        [1000, 85],
        [6000, 85],
      ]),
    ).toEqual([2, 2, 1]);
  });

  it('falls straight to the bottom when the value is below everything', () => {
    expect(
      run([
        [0, 95],
        [1000, 10],
        [6000, 10],
      ]),
    ).toEqual([2, 2, 0]);
  });

  it('never reports less than the value demands and never flaps faster than the hold', () => {
    const sample = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.double({ min: 0, max: 100, noNaN: true }));
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), (steps) => {
        let atMs = 0;
        let state: LevelState = LOWEST;
        let raisedAtMs = Number.NEGATIVE_INFINITY;
        for (const [gapMs, value] of steps) {
          atMs += gapMs;
          const next = stepLevel(state, LADDER, HOLD_MS, value, atMs);
          expect(next.level).toBeGreaterThanOrEqual(value > 90 ? 2 : value > 80 ? 1 : 0);
          if (next.level > state.level) raisedAtMs = atMs;
          if (next.level < state.level) expect(atMs - raisedAtMs).toBeGreaterThanOrEqual(HOLD_MS);
          state = next;
        }
      }),
    );
  });
});
