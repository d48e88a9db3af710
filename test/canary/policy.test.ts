import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CanaryEffect,
  type CanaryEnd,
  type CanaryEvent,
  type CanaryPolicy,
  initialCanary,
  stepCanary,
} from '../../lib/canary/policy.js';

const POLICY: CanaryPolicy = {
  waitMs: 10_000,
  timeoutMs: 3000,
  failures: 1,
  of: 1,
  jitterPercent: 0,
  adaptive: false,
};

function virtualCanary(policy: Partial<CanaryPolicy> = {}) {
  let state = initialCanary({ ...POLICY, ...policy }, 0);
  const effects: CanaryEffect[] = [];
  const apply = (event: CanaryEvent): readonly CanaryEffect[] => {
    const stepped = stepCanary(state, event);
    state = stepped.state;
    effects.push(...stepped.effects);
    return stepped.effects;
  };
  return {
    apply,
    state: () => state,
    status: () => state.report.status,
    /** Whether a test request is sent at that moment. */
    sends: (atMs: number, busy = 0): boolean =>
      apply({ type: 'time', atMs, busy }).some(({ type }) => type === 'send'),
    traffic: (atMs: number) => apply({ type: 'traffic', atMs, random: 0 }),
    ends: (atMs: number, end: CanaryEnd, progressed = false, durationMs = 50) =>
      apply({
        type: 'ended',
        atMs,
        id: state.running ?? -1,
        end,
        durationMs,
        progressed,
        detail: null,
        random: 0,
      }),
  };
}

/** One that has answered its first test request at 100. */
function answered(policy: Partial<CanaryPolicy> = {}) {
  const canary = virtualCanary(policy);
  canary.sends(50);
  canary.ends(100, 'ok');
  return canary;
}

describe('a canary', () => {
  it('tests a new endpoint at once and holds it back until then', () => {
    const canary = virtualCanary();
    expect(canary.status()).toBe('pending');
    expect(canary.sends(0)).toBe(true);
    canary.ends(40, 'ok');
    expect(canary.status()).toBe('ok');
  });

  it('waits for exactly the documented idle time after each success', () => {
    const canary = answered();
    expect(canary.sends(10_099)).toBe(false);
    expect(canary.sends(10_100)).toBe(true);
  });

  it('takes each answer to real traffic for a success, and begins the wait anew', () => {
    const canary = virtualCanary();
    canary.traffic(10);
    expect(canary.status()).toBe('ok');
    canary.traffic(9000);
    expect(canary.sends(18_999)).toBe(false);
    expect(canary.sends(19_000)).toBe(true);
  });

  it('sends nothing while real requests are at work, and does as soon as the last one is gone', () => {
    const canary = answered();
    expect(canary.sends(20_000, 3)).toBe(false);
    expect(canary.sends(60_000, 1)).toBe(false);
    expect(canary.sends(60_250, 0)).toBe(true);
  });

  it('sends one at a time, however late the verdict', () => {
    const canary = answered();
    expect(canary.sends(10_100)).toBe(true);
    expect(canary.sends(25_000)).toBe(false);
    canary.ends(40_000, 'ok');
    expect(canary.sends(49_999)).toBe(false);
    expect(canary.sends(50_000)).toBe(true);
  });

  it.each(['failed', 'timeout', 'empty'] as const)(
    'makes the endpoint not ready by one that ended with %s',
    (end) => {
      const canary = answered();
      canary.sends(10_100);
      canary.ends(13_100, end);
      expect(canary.status()).toBe('failed');
      expect(canary.state().report.counts).toMatchObject({ ok: 1, [end]: 1 });
      canary.sends(23_100);
      canary.ends(23_200, 'ok');
      expect(canary.status()).toBe('ok');
    },
  );

  it('is recovered by real traffic at once', () => {
    const canary = answered();
    canary.sends(10_100);
    canary.ends(13_100, 'timeout');
    canary.traffic(13_200);
    expect(canary.status()).toBe('ok');
  });

  it('learns nothing from a test that timed out while the engine worked for others, or was refused', () => {
    const canary = answered();
    canary.sends(10_100);
    canary.ends(13_100, 'timeout', true);
    expect(canary.status()).toBe('ok');
    canary.sends(23_100);
    canary.ends(23_110, 'refused');
    expect(canary.status()).toBe('ok');
    expect(canary.state().report.counts.inconclusive).toBe(2);
  });

  it('takes an answer that still flows at the end of the time for a success', () => {
    const canary = virtualCanary();
    canary.sends(0);
    canary.ends(3000, 'cut');
    expect(canary.status()).toBe('ok');
  });

  it('looks at the last of several with K of N, both ways', () => {
    const canary = answered({ failures: 2, of: 3 });
    const seen: string[] = [];
    let atMs = 10_100;
    for (const end of ['failed', 'ok', 'failed', 'ok', 'ok', 'timeout', 'timeout'] as const) {
      canary.sends(atMs);
      canary.ends(atMs + 100, end);
      seen.push(canary.status());
      atMs += 10_100;
    }
    expect(seen).toEqual(['ok', 'ok', 'failed', 'ok', 'ok', 'ok', 'failed']);
  });

  it('shortens the wait by up to its jitter, never lengthens it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (random) => {
        const start = initialCanary({ ...POLICY, jitterPercent: 20 }, 0);
        const { state } = stepCanary(start, { type: 'traffic', atMs: 0, random });
        expect(state.dueMs).toBeGreaterThanOrEqual(8000);
        expect(state.dueMs).toBeLessThanOrEqual(10_000);
      }),
    );
  });

  it('gives a slow engine more time and asks a suspect one sooner, only where it may adapt', () => {
    const exact = virtualCanary();
    const adaptive = virtualCanary({ adaptive: true });
    for (const canary of [exact, adaptive]) {
      canary.sends(0);
      canary.ends(2000, 'ok', false, 2000);
    }
    const timeoutOf = (canary: typeof exact): number => {
      const [effect] = canary.apply({ type: 'time', atMs: 12_000, busy: 0 });
      return effect?.type === 'send' ? effect.timeoutMs : Number.NaN;
    };
    expect([timeoutOf(exact), timeoutOf(adaptive)]).toEqual([3000, 10_000]);
    for (const canary of [exact, adaptive]) canary.ends(22_000, 'timeout');
    expect([exact.sends(23_000), adaptive.sends(23_000)]).toEqual([false, true]);
  });

  it('keeps the last ten, and counts all', () => {
    const canary = virtualCanary();
    for (let round = 0; round < 25; round += 1) {
      canary.sends(round * 20_000);
      canary.ends(round * 20_000 + 10, 'ok');
    }
    expect(canary.state().report.history).toHaveLength(10);
    expect(canary.state().report.history.at(-1)?.atMs).toBe(480_010);
    expect(canary.state().report.counts.ok).toBe(25);
  });
});

describe('whatever happens', () => {
  const event = fc.oneof(
    fc.record({ type: fc.constant('time' as const), busy: fc.integer({ min: 0, max: 2 }) }),
    fc.record({ type: fc.constant('traffic' as const), random: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({
      type: fc.constant('ended' as const),
      // Also verdicts on test requests that nobody waits for.
      stale: fc.boolean(),
      end: fc.constantFrom<CanaryEnd>('ok', 'failed', 'timeout', 'empty', 'cut', 'refused'),
      progressed: fc.boolean(),
    }),
  );

  it('a model without memory of its own agrees: one in flight, failed only by K failures since the last success', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 8000 }), event), { maxLength: 300 }),
        fc.integer({ min: 1, max: 3 }),
        (events, failures) => {
          const canary = virtualCanary({ failures, of: failures });
          let atMs = 0;
          let inFlight = 0;
          let model: 'pending' | 'ok' | 'failed' = 'pending';
          let streak = 0;
          for (const [gapMs, each] of events) {
            atMs += gapMs;
            if (each.type === 'time') {
              if (canary.sends(atMs, each.busy)) inFlight += 1;
              expect(inFlight).toBeLessThanOrEqual(1);
            } else if (each.type === 'traffic') {
              canary.apply({ ...each, atMs });
              model = 'ok';
              streak = 0;
            } else if (each.stale) {
              const { end, progressed } = each;
              canary.apply({
                type: 'ended',
                atMs,
                id: 0,
                end,
                durationMs: 1,
                progressed,
                detail: null,
                random: 0,
              });
            } else if (inFlight === 1) {
              inFlight = 0;
              canary.ends(atMs, each.end, each.progressed);
              const good = each.end === 'ok' || each.end === 'cut';
              const none = each.end === 'refused' || (each.end === 'timeout' && each.progressed);
              if (good) {
                model = 'ok';
                streak = 0;
              } else if (!none) {
                streak += 1;
                if (streak >= failures) model = 'failed';
              }
            }
            expect(canary.status()).toBe(model);
          }
          const { counts } = canary.state().report;
          const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
          expect(total).toBe(canary.state().lastId - inFlight);
        },
      ),
    );
  });
});
