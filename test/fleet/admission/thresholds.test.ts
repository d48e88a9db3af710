import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBusyWorkers } from '../../../lib/fleet/admission/busy-workers.js';
import { isBusy, NO_THRESHOLDS, roomTokens } from '../../../lib/fleet/admission/thresholds.js';

const pressure = (kvRatio: number, prefillTokens = 0) => ({ kvRatio, prefillTokens, maxBatchedTokens: 1000 });
const KV_90 = { ...NO_THRESHOLDS, activeDecodeBlocks: 0.9 };

describe('thresholds of a worker', () => {
  it('are off until they are set', () => {
    expect(isBusy(NO_THRESHOLDS, pressure(1, 1e9), false)).toBe(false);
    expect(roomTokens(NO_THRESHOLDS, pressure(1, 1e9))).toBe(Number.POSITIVE_INFINITY);
  });

  it('enter strictly above and leave only well below', () => {
    expect(isBusy(KV_90, pressure(0.9), false)).toBe(false);
    expect(isBusy(KV_90, pressure(0.91), false)).toBe(true);
    expect(isBusy(KV_90, pressure(0.81), true)).toBe(true);
    expect(isBusy(KV_90, pressure(0.8), true)).toBe(false);
  });

  it('take a share of one batch as well as tokens', () => {
    const share = { ...NO_THRESHOLDS, activePrefillTokensFraction: 1.5 };
    const tokens = { ...NO_THRESHOLDS, activePrefillTokens: 1500 };
    for (const thresholds of [share, tokens]) {
      expect(isBusy(thresholds, pressure(0, 1500), false)).toBe(false);
      expect(isBusy(thresholds, pressure(0, 1501), false)).toBe(true);
      expect(isBusy(thresholds, pressure(0, 1051), true)).toBe(true);
      expect(isBusy(thresholds, pressure(0, 1050), true)).toBe(false);
      expect(roomTokens(thresholds, pressure(0, 400))).toBe(1100);
    }
  });

  it('do not take what is not reported for too much', () => {
    const all = { activeDecodeBlocks: 0.5, activePrefillTokens: 10, activePrefillTokensFraction: 0.5 };
    const unknown = { kvRatio: Number.NaN, prefillTokens: Number.NaN, maxBatchedTokens: Number.NaN };
    expect(isBusy(all, unknown, true)).toBe(false);
  });

  it('change state at most once while the pressure stays between their borders', () => {
    const between = fc.array(fc.double({ min: 0.81, max: 0.9, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(between, fc.boolean(), (values, first) => {
        const states = values.map((kvRatio) => isBusy(KV_90, pressure(kvRatio), first));
        expect(new Set([...states, first]).size).toBe(1);
      }),
    );
  });
});

describe('the busy workers of a pool', () => {
  it('are found at once when thresholds are set, and at once none when they are cleared', () => {
    const workers = createBusyWorkers();
    workers.report('a', pressure(0.95));
    expect(workers.hasRoom).toBe(true);
    workers.set({ activeDecodeBlocks: 0.9 });
    expect(workers.hasRoom).toBe(false);
    workers.set({ activeDecodeBlocks: null });
    expect(workers.hasRoom).toBe(true);
    expect(workers.thresholds).toEqual(NO_THRESHOLDS);
  });

  it('are not held by the lower border of a threshold that was raised', () => {
    const workers = createBusyWorkers({ activeDecodeBlocks: 0.5 });
    workers.report('a', pressure(0.6));
    workers.set({ activeDecodeBlocks: 0.65 });
    expect(workers.isBusy('a')).toBe(false);
  });

  it('leave room while one of them is not busy', () => {
    const workers = createBusyWorkers(KV_90);
    workers.report('a', pressure(0.95));
    workers.report('b', pressure(0.1));
    expect(workers.hasRoom).toBe(true);
    workers.forget('b');
    expect(workers.hasRoom).toBe(false);
    workers.forget('a');
    expect(workers.hasRoom).toBe(true);
  });

  it('count what was sent since the last report', () => {
    const workers = createBusyWorkers({ activePrefillTokens: 1000 });
    workers.report('a', pressure(0, 400));
    expect(workers.roomTokens).toBe(600);
    workers.sent('a', 700);
    expect(workers.isBusy('a')).toBe(true);
    expect(workers.roomTokens).toBe(0);
    workers.report('a', pressure(0, 400));
    expect(workers.isBusy('a')).toBe(false);
  });
});
