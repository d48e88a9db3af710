import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  initialLease,
  type LeaseEffect,
  type LeaseEvent,
  leaseTimerMs,
  stepLease,
} from '../../lib/fleet/lease-keeper.js';

function keeper(options = {}) {
  let state = initialLease(options);
  const effects: LeaseEffect[] = [];
  const step = (event: LeaseEvent): readonly LeaseEffect[] => {
    const next = stepLease(state, event);
    state = next.state;
    effects.push(...next.effects);
    return next.effects;
  };
  return { step, effects, state: () => state };
}
const at = (atMs: number) => ({ atMs, random: 0.5 });

function registered() {
  const kept = keeper();
  kept.step({ type: 'start', ...at(0) });
  kept.step({ type: 'granted', lease: 'l1', ttlMs: 10_000, askedMs: 0, ...at(5) });
  kept.step({ type: 'put', lease: 'l1', version: 1, ...at(9) });
  return kept;
}

describe('the lease keeper', () => {
  it('registers, and renews at a third of the TTL counted from when it asked', () => {
    const { step, effects, state } = registered();
    expect(effects).toEqual([
      { type: 'grant', ttlMs: 10_000 },
      { type: 'put', lease: 'l1', version: 1 },
      { type: 'status', status: 'registered' },
    ]);
    expect(leaseTimerMs(state())).toBeCloseTo(3333.3, 0);
    expect(step({ type: 'tick', ...at(3334) })).toEqual([{ type: 'keep', lease: 'l1' }]);
    step({ type: 'kept', lease: 'l1', ttlMs: 10_000, askedMs: 3334, ...at(3400) });
    expect(state().expiresMs).toBe(13_334);
  });

  it('tries again while the lease may still be there, and begins anew when it cannot be', () => {
    const { step, state } = registered();
    step({ type: 'tick', ...at(3334) });
    step({ type: 'failed', call: 'keep', lease: 'l1', ...at(4000) });
    expect(leaseTimerMs(state())).toBeCloseTo(4187.5);
    expect(step({ type: 'tick', ...at(4188) })).toEqual([{ type: 'keep', lease: 'l1' }]);
    expect(step({ type: 'tick', ...at(10_000) })).toEqual([{ type: 'status', status: 'lost' }]);
    // Half of half the TTL later: workers that lose theirs together come back one after the other.
    expect(leaseTimerMs(state())).toBe(12_500);
    expect(step({ type: 'tick', ...at(12_500) })).toEqual([{ type: 'grant', ttlMs: 10_000 }]);
    step({ type: 'granted', lease: 'l2', ttlMs: 10_000, askedMs: 12_500, ...at(12_600) });
    expect(step({ type: 'put', lease: 'l2', version: 1, ...at(12_700) })).toEqual([
      { type: 'status', status: 'registered' },
    ]);
  });

  it('writes again what has changed, after the call that is under way', () => {
    const { step } = registered();
    expect(step({ type: 'records', ...at(100) })).toEqual([{ type: 'put', lease: 'l1', version: 2 }]);
    expect(step({ type: 'records', ...at(101) })).toEqual([]);
    expect(step({ type: 'put', lease: 'l1', version: 2, ...at(110) })).toEqual([
      { type: 'put', lease: 'l1', version: 3 },
    ]);
  });

  it('lets the lease go while the engine stands still, and comes back with its next step', () => {
    const { step, state } = registered();
    for (let ms = 3000; ms < 30_000; ms += 1000) {
      step({ type: 'tick', ...at(ms) });
      if (state().pending === 'keep')
        step({ type: 'kept', lease: 'l1', ttlMs: 10_000, askedMs: ms, ...at(ms) });
    }
    expect(step({ type: 'tick', ...at(30_000) })).toEqual([
      { type: 'revoke', lease: 'l1' },
      { type: 'status', status: 'withheld' },
    ]);
    expect(leaseTimerMs(state())).toBe(Number.POSITIVE_INFINITY);
    expect(step({ type: 'progress', ...at(60_000) })).toEqual([
      { type: 'grant', ttlMs: 10_000 },
      { type: 'status', status: 'lost' },
    ]);
  });

  it('revokes at the end, and a lease that comes later too late', () => {
    const { step } = registered();
    expect(step({ type: 'stop', ...at(100) })).toEqual([
      { type: 'revoke', lease: 'l1' },
      { type: 'status', status: 'stopped' },
    ]);
    expect(step({ type: 'tick', ...at(1e6) })).toEqual([]);
    const early = keeper();
    early.step({ type: 'start', ...at(0) });
    early.step({ type: 'tick', ...at(30_000) });
    expect(early.step({ type: 'granted', lease: 'l9', ttlMs: 10_000, askedMs: 0, ...at(30_001) })).toEqual([
      { type: 'revoke', lease: 'l9' },
    ]);
  });

  it('is registered again once the store works, whatever the store did before', () => {
    const trouble = fc.array(
      fc.record({
        gapMs: fc.integer({ min: 1, max: 4000 }),
        answer: fc.constantFrom('ok', 'fail', 'gone', 'none'),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(trouble, (list) => {
        const { step, state } = keeper();
        let atMs = 0;
        let leases = 0;
        let call: LeaseEffect | null = null;
        const take = (effects: readonly LeaseEffect[]): void => {
          for (const effect of effects)
            if (effect.type === 'grant' || effect.type === 'keep' || effect.type === 'put') {
              // One call at a time; a lost lease gives the last one up.
              call = effect;
            }
        };
        const answer = (how: string): void => {
          const asked = call;
          if (asked === null || how === 'none') return;
          call = null;
          const lease = asked.type === 'grant' ? null : (asked as { lease: string }).lease;
          const kind = asked.type as 'grant' | 'keep' | 'put';
          const now = { atMs, random: 0.5 };
          const kept = { ttlMs: 10_000, askedMs: atMs, ...now };
          if (how === 'fail') take(step({ type: 'failed', call: kind, lease, ...now }));
          else if (how === 'gone' && lease !== null) take(step({ type: 'gone', lease, ...now }));
          else if (asked.type === 'grant') {
            leases += 1;
            take(step({ type: 'granted', lease: `l${leases}`, ...kept }));
          } else if (asked.type === 'keep') take(step({ type: 'kept', lease: asked.lease, ...kept }));
          else if (asked.type === 'put')
            take(step({ type: 'put', lease: asked.lease, version: asked.version, ...now }));
        };
        take(step({ type: 'start', atMs, random: 0.5 }));
        for (const { gapMs, answer: how } of list) {
          atMs += gapMs;
          take(step({ type: 'progress', atMs, random: 0.5 }));
          answer(how);
          take(step({ type: 'tick', atMs, random: 0.5 }));
        }
        const from = atMs;
        // A call without any answer ends by the caller's own deadline.
        answer('fail');
        while (state().status !== 'registered' && atMs < from + 30_000) {
          atMs += 100;
          take(step({ type: 'progress', atMs, random: 0.5 }));
          answer('ok');
          take(step({ type: 'tick', atMs, random: 0.5 }));
        }
        expect(state().status).toBe('registered');
        expect(atMs - from).toBeLessThan(16_000);
      }),
    );
  });
});
