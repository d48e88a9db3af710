import { describe, expect, it } from 'vitest';
import type { EngineFinding } from '../../lib/engine/policy-types.js';
import type { StatusEvent } from '../../lib/status/events.js';
import { initialState, step } from '../../lib/status/reducer.js';
import type { CanaryReport, Policy } from '../../lib/status/types.js';
import { type Verdict, verdict } from '../../lib/status/verdict.js';
import { POLICY as DEFAULTS } from './policy.js';

const POLICY = { ...DEFAULTS, sampleStaleMs: 1e9 };
const UP: readonly StatusEvent[] = [
  { type: 'main-reported', atMs: 20 },
  { type: 'settled' },
  {
    type: 'sample',
    facts: {
      atMs: 30,
      durationMs: 0,
      memoryScope: 'host',
      memoryPercent: 40,
      memoryAbsent: null,
      throttledRatio: 0,
      cpuPressurePercent: 0,
      cpuPercent: 1,
    },
  },
];
const judged = (events: readonly StatusEvent[], policy: Partial<Policy> = {}): Verdict =>
  verdict([...UP, ...events].reduce(step, initialState(0, { ...POLICY, ...policy })), 1000);

const STALLED: EngineFinding = {
  kind: 'stalled',
  code: 'inference_engine.stalled',
  cause: 'decode',
  watchId: null,
  message: 'No progress',
  sinceMs: 500,
  isFinal: false,
  isNotLive: false,
};
const finding = (change: Partial<EngineFinding>): StatusEvent => ({
  type: 'engine',
  finding: { ...STALLED, ...change },
});

describe('a finding about the engine', () => {
  const ready: StatusEvent = {
    type: 'component',
    atMs: 100,
    name: 'inference_engine',
    status: 'healthy',
    reason: null,
    message: 'Inference engine responsive',
    owner: 'application',
  };

  it('makes the process not ready, also as Dynamo has it, whatever the application said of its engine or did not', () => {
    for (const before of [[], [ready]]) {
      const found = judged([...before, finding({})]);
      expect(found).toMatchObject({ ready: false, workerReady: false, live: true, health: 'unhealthy' });
      expect(found.reasons.map(({ code }) => code)).toContain('inference_engine.stalled');
    }
    expect(judged([ready, finding({}), { type: 'engine', finding: null }])).toMatchObject({
      ready: true,
      live: true,
    });
  });

  it('makes it not live only when that is said', () => {
    expect(judged([finding({ isFinal: true })]).live).toBe(true);
    expect(judged([finding({ isFinal: true, isNotLive: true })])).toMatchObject({
      live: false,
      liveAfterGrace: false,
    });
  });

  it('is only reported where engine failures are ignored', () => {
    const found = judged([ready, finding({ isFinal: true, isNotLive: true })], { engineGates: false });
    expect(found).toMatchObject({ ready: true, live: true, health: 'healthy' });
    expect(found.reasons.map(({ code }) => code)).toEqual(['inference_engine.stalled']);
  });
});

describe('the canary of an endpoint', () => {
  const canary = (status: CanaryReport['status']): StatusEvent => ({
    type: 'canary',
    name: 'generate',
    report: {
      status,
      sinceMs: 400,
      history: [],
      counts: { ok: 0, failed: 0, timeout: 0, empty: 0, inconclusive: 0 },
    },
  });
  const endpoint = (status: 'ready' | 'notready'): StatusEvent => ({
    type: 'endpoint',
    atMs: 100,
    name: 'generate',
    status,
    reason: null,
  });

  it.each([
    ['ready', 'ok', true, []],
    ['ready', 'pending', false, ['canary.pending']],
    ['ready', 'failed', false, ['canary.failed']],
    ['notready', 'ok', false, ['endpoint.notready']],
    ['notready', 'failed', false, ['endpoint.notready']],
  ] as const)('with the endpoint %s and %s: ready is %s', (served, tested, isReady, codes) => {
    const found = judged([endpoint(served), canary(tested)]);
    expect(found).toMatchObject({ ready: isReady, workerReady: isReady, live: true });
    expect(found.reasons.map(({ code }) => code)).toEqual(codes);
    expect(found.endpoints[0]?.status).toBe(isReady ? 'ready' : 'notready');
  });

  it('makes no endpoint of one that was never served, and is gone with it', () => {
    expect(judged([canary('ok')]).endpoints).toEqual([]);
    expect(judged([canary('failed')]).ready).toBe(true);
    const gone = judged([
      endpoint('ready'),
      canary('failed'),
      { type: 'canary', name: 'generate', report: null },
    ]);
    expect(gone).toMatchObject({ ready: true, canaries: [] });
  });
});
