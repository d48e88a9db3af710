import { describe, expect, it } from 'vitest';
import { type Quiet, untilNextLook } from '../../lib/probe/tick.js';

const quiet: Quiet = {
  busyMs: 0,
  stallAfterMs: 1000,
  validForMs: Number.POSITIVE_INFINITY,
  isWatching: false,
};

describe('the probe thread looks around by itself', () => {
  it('once a second while there is nothing to watch, and twice where there is', () => {
    expect(untilNextLook(quiet)).toBe(1000);
    expect(untilNextLook({ ...quiet, isWatching: true })).toBe(500);
    expect(untilNextLook({ ...quiet, stallAfterMs: 0 })).toBe(1000);
  });

  it('at the moment at which a busy main thread would count as stalled', () => {
    expect(untilNextLook({ ...quiet, busyMs: 400 })).toBe(600);
    expect(untilNextLook({ ...quiet, busyMs: 999.5 })).toBe(50);
    expect(untilNextLook({ ...quiet, stallAfterMs: 200 })).toBe(500);
    expect(untilNextLook({ ...quiet, stallAfterMs: 200, busyMs: 50 })).toBe(150);
  });

  it('twice a second during a stall, to see its end', () => {
    expect(untilNextLook({ ...quiet, busyMs: 5000 })).toBe(500);
  });

  it('when the verdict expires, but not in a hurry', () => {
    expect(untilNextLook({ ...quiet, validForMs: 300 })).toBe(300);
    expect(untilNextLook({ ...quiet, validForMs: -5 })).toBe(50);
  });
});
