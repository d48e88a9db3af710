import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatusEvent } from '../../lib/status/events.js';
import { initialState, step } from '../../lib/status/reducer.js';
import type { HostFacts, Policy, State } from '../../lib/status/types.js';
import { verdict } from '../../lib/status/verdict.js';
import { POLICY as DEFAULTS } from './policy.js';

const POLICY = { ...DEFAULTS, startupGraceMs: 5000 };

const facts = (atMs: number, change: Partial<HostFacts> = {}): HostFacts => ({
  atMs,
  durationMs: 0.1,
  memoryScope: 'host',
  memoryPercent: 45.2,
  memoryAbsent: null,
  throttledRatio: 0,
  cpuPressurePercent: 0,
  cpuPercent: 10,
  ...change,
});
const sample = (atMs: number, change: Partial<HostFacts> = {}): StatusEvent => ({
  type: 'sample',
  facts: facts(atMs, change),
});
const set = (
  name: string,
  status: 'healthy' | 'degraded' | 'unhealthy' | 'unknown',
  extra: Partial<Extract<StatusEvent, { type: 'component' }>> = {},
): StatusEvent => ({
  type: 'component',
  atMs: 100,
  name,
  status,
  reason: `${name}.${status}`,
  message: '',
  owner: 'application',
  ...extra,
});

function stateAfter(events: readonly StatusEvent[], policy: Partial<Policy> = {}): State {
  return events.reduce(step, initialState(0, { ...POLICY, ...policy }));
}
/** A process that turns its loop and has been sampled. */
const UP: readonly StatusEvent[] = [{ type: 'main-reported', atMs: 20 }, { type: 'settled' }, sample(30)];
const codes = (state: State, nowMs: number) => verdict(state, nowMs).reasons.map(({ code }) => code);

describe('liveness', () => {
  it('of /livez holds from the first moment and of /health/live only after grace, first turn and first sample', () => {
    expect(verdict(stateAfter([]), 0)).toMatchObject({ live: true, liveAfterGrace: false });
    expect(verdict(stateAfter(UP), 4999).liveAfterGrace).toBe(false);
    expect(verdict(stateAfter(UP), 5000).liveAfterGrace).toBe(true);
    expect(verdict(stateAfter([sample(30)]), 9000).liveAfterGrace).toBe(false);
    expect(verdict(stateAfter([{ type: 'main-reported', atMs: 20 }]), 9000).liveAfterGrace).toBe(false);
  });

  it('tells when the grace will end', () => {
    expect(verdict(stateAfter([...UP, sample(3000)]), 3000).validUntilMs).toBe(5000);
  });

  it('fails for nothing but a stalled loop', () => {
    const worst = [
      ...UP,
      set('model', 'unhealthy'),
      sample(100, { memoryPercent: 99 }),
      { type: 'hold', atMs: 0, name: 'x' } as const,
    ];
    expect(verdict(stateAfter(worst), 9000).live).toBe(true);
    expect(verdict(stateAfter([...UP, { type: 'phase', atMs: 1, phase: 'failed' }]), 100).live).toBe(true);
    const stalled = stateAfter([...UP, { type: 'loop', atMs: 90_000, level: 'stalled', sinceMs: 30_000 }]);
    expect(verdict(stalled, 90_000)).toMatchObject({ live: false, liveAfterGrace: false, ready: false });
  });
});

describe('readiness', () => {
  it('waits for what the caller of startHealth may still claim, while liveness does not', () => {
    const blocked = stateAfter([{ type: 'main-reported', atMs: 20 }, sample(30)]);
    expect(verdict(blocked, 200)).toMatchObject({ phase: 'starting', ready: false, startup: false });
    expect(verdict(blocked, 5000).liveAfterGrace).toBe(true);
  });

  it('holds once the process is up, while nothing is claimed', () => {
    expect(verdict(stateAfter(UP), 100)).toMatchObject({
      phase: 'serving',
      ready: true,
      startup: true,
      health: 'healthy',
    });
  });

  it('waits for a claimed model, and start-up with it', () => {
    const loading = stateAfter([set('model', 'degraded', { reason: 'model.loading' }), ...UP]);
    expect(verdict(loading, 100)).toMatchObject({ phase: 'starting', ready: false, startup: false });
    const ready = step(loading, set('model', 'healthy'));
    expect(verdict(ready, 100)).toMatchObject({ phase: 'serving', ready: true });
    expect(verdict(step(ready, set('model', 'unhealthy')), 100)).toMatchObject({
      phase: 'serving',
      startup: true,
      ready: false,
    });
  });

  it.each([
    ['degraded memory', [sample(100, { memoryPercent: 80.1 })], 'memory.elevated'],
    ['a blocked loop', [{ type: 'loop', atMs: 2000, level: 'blocked', sinceMs: 900 }], 'event_loop.blocked'],
    ['a hold', [{ type: 'hold', atMs: 0, name: 'warm-up' }], 'hold.warm-up'],
    [
      'an endpoint',
      [{ type: 'endpoint', atMs: 0, name: 'generate', status: 'notready', reason: null }],
      'endpoint.notready',
    ],
    ['draining', [{ type: 'phase', atMs: 0, phase: 'draining' }], 'drain.active'],
    [
      'an unknown engine',
      [set('inference_engine', 'unknown', { reason: 'inference_engine.unknown' })],
      'inference_engine.unknown',
    ],
    [
      'a critical check',
      [set('db', 'unhealthy', { critical: true, owner: 'check', reason: 'db.check_failed' })],
      'db.check_failed',
    ],
  ] as const)('is refused by %s', (_name, events, code) => {
    const state = stateAfter([...UP, ...(events as readonly StatusEvent[])]);
    const judged = verdict(state, 2000);
    expect(judged.ready).toBe(false);
    expect(judged.gating.map((reason) => reason.code)).toEqual([code]);
  });

  it.each([
    ['unknown memory', [sample(100, { memoryPercent: null, memoryAbsent: 'missing' })]],
    ['CPU pressure', [sample(100, { cpuPressurePercent: 90 })]],
    ['a failing check that is not critical', [set('cache', 'unhealthy', { owner: 'check' })]],
  ] as const)('is not refused by %s', (_name, events) => {
    expect(verdict(stateAfter([...UP, ...(events as readonly StatusEvent[])]), 200).ready).toBe(true);
  });

  it('is refused by CPU pressure where gates lists cpu', () => {
    const state = stateAfter([...UP, sample(100, { cpuPressurePercent: 90 })], { gates: ['cpu'] });
    expect(verdict(state, 200)).toMatchObject({ ready: false, health: 'degraded' });
  });

  it('comes back when a hold is released, an endpoint ready and the drain resumed', () => {
    const state = stateAfter([
      ...UP,
      { type: 'hold', atMs: 0, name: 'a' },
      { type: 'endpoint', atMs: 0, name: 'generate', status: 'notready', reason: null },
      { type: 'phase', atMs: 0, phase: 'draining' },
      { type: 'hold-released', name: 'a' },
      { type: 'endpoint', atMs: 9, name: 'generate', status: 'ready', reason: null },
      { type: 'phase', atMs: 10, phase: 'serving' },
    ]);
    expect(verdict(state, 100).ready).toBe(true);
  });
});

describe('the status of the whole', () => {
  it.each(['model', 'memory', 'inference_engine'])('is unhealthy when critical %s is', (name) => {
    expect(verdict(stateAfter([...UP, set(name, 'unhealthy')]), 200).health).toBe('unhealthy');
  });

  it('is degraded when a component that is not critical is unhealthy, unless aggregation is worst', () => {
    expect(verdict(stateAfter([...UP, set('cache', 'unhealthy')]), 200).health).toBe('degraded');
    expect(
      verdict(stateAfter([...UP, set('cache', 'unhealthy')], { aggregation: 'worst' }), 200).health,
    ).toBe('unhealthy');
  });

  it('counts what is unknown as degraded', () => {
    expect(verdict(stateAfter([...UP, sample(100, { memoryPercent: null })]), 200).health).toBe('degraded');
  });

  it('is not lowered by CPU', () => {
    expect(verdict(stateAfter([...UP, sample(100, { throttledRatio: 0.9 })]), 200)).toMatchObject({
      health: 'healthy',
    });
    expect(codes(stateAfter([...UP, sample(100, { throttledRatio: 0.9 })]), 200)).toEqual(['cpu.throttled']);
  });
});

describe('age', () => {
  it('turns a fact that nobody renews into unknown, at the moment that was announced', () => {
    const state = stateAfter(UP);
    expect(verdict(state, 100).validUntilMs).toBe(5000);
    const later = verdict(stateAfter([...UP, sample(6000)]), 6000);
    expect(later.validUntilMs).toBe(11_000);
    const stale = verdict(stateAfter([...UP, sample(6000)]), 11_000);
    expect(stale.components.find(({ name }) => name === 'memory')).toMatchObject({
      status: 'unknown',
      reason: 'memory.stale',
    });
    expect(stale.ready).toBe(true);
    expect(stale.health).toBe('degraded');
  });

  it('of a critical check refuses readiness', () => {
    const state = stateAfter([
      ...UP,
      set('db', 'healthy', { critical: true, owner: 'check', staleAfterMs: 3000 }),
      sample(6000),
    ]);
    expect(verdict(state, 3099).ready).toBe(true);
    expect(verdict(state, 3100).gating.map(({ code }) => code)).toEqual(['db.stale']);
  });

  it('keeps the beginning of a finding while only its numbers change', () => {
    const state = stateAfter([
      ...UP,
      sample(1000, { memoryPercent: 85 }),
      sample(2000, { memoryPercent: 86 }),
    ]);
    expect(state.components.find(({ name }) => name === 'memory')).toMatchObject({
      sinceMs: 1000,
      observedAtMs: 2000,
      message: 'Elevated memory usage: 86.0%',
    });
  });
});

describe('the messages of memory', () => {
  it.each([
    [45.2, 'healthy', 'Memory usage normal: 45.2%'],
    [80, 'healthy', 'Memory usage normal: 80.0%'],
    [80.04, 'degraded', 'Elevated memory usage: 80.0%'],
    [90, 'degraded', 'Elevated memory usage: 90.0%'],
    [90.1, 'unhealthy', 'High memory usage: 90.1%'],
  ] as const)('at %d %% say %s', (percent, status, message) => {
    const state = stateAfter([...UP, sample(100, { memoryPercent: percent })]);
    expect(state.components.find(({ name }) => name === 'memory')).toMatchObject({ status, message });
  });
});

describe('any sequence of events', () => {
  const status = fc.constantFrom('healthy', 'degraded', 'unhealthy', 'unknown') as fc.Arbitrary<'healthy'>;
  const event: fc.Arbitrary<StatusEvent> = fc.oneof(
    fc
      .record({ name: fc.constantFrom('model', 'inference_engine', 'db'), status })
      .map(({ name, status: value }) => set(name, value)),
    fc
      .integer({ min: 0, max: 20_000 })
      .chain((atMs) =>
        fc.double({ min: 0, max: 100, noNaN: true }).map((memoryPercent) => sample(atMs, { memoryPercent })),
      ),
    fc
      .constantFrom('turning', 'blocked', 'stalled')
      .map((level): StatusEvent => ({ type: 'loop', atMs: 1, level, sinceMs: 0 })),
    fc
      .constantFrom('starting', 'serving', 'draining')
      .map((phase): StatusEvent => ({ type: 'phase', atMs: 1, phase })),
    fc.constant<StatusEvent>({ type: 'main-reported', atMs: 1 }),
    fc.constant<StatusEvent>({ type: 'settled' }),
    fc.constantFrom('a', 'b').map((name): StatusEvent => ({ type: 'hold', atMs: 1, name })),
    fc.constantFrom('a', 'b').map((name): StatusEvent => ({ type: 'hold-released', name })),
  );

  it('keeps: a refusal has a reason, a verdict stays the same until it expires, and every deviation is listed', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 40 }),
        fc.integer({ min: 0, max: 30_000 }),
        (events, nowMs) => {
          const state = stateAfter(events);
          const judged = verdict(state, nowMs);
          expect(judged.ready).toBe(judged.gating.length === 0);
          for (const reason of judged.gating) expect(judged.reasons).toContain(reason);
          if (judged.health !== 'healthy') expect(judged.reasons.length).toBeGreaterThan(0);
          for (const { code } of judged.reasons) expect(code).toMatch(/^[a-z_]+\.[a-z0-9_-]+$/);
          const end = Math.min(judged.validUntilMs - 1, nowMs + 100_000);
          if (end > nowMs) expect(verdict(state, end)).toEqual(judged);
        },
      ),
    );
  });
});
