import { describe, expect, it } from 'vitest';
import type { StatusEvent } from '../../lib/status/events.js';
import { initialState, step } from '../../lib/status/reducer.js';
import type { GpuReport, Policy, State } from '../../lib/status/types.js';
import { type Verdict, verdict } from '../../lib/status/verdict.js';
import { POLICY } from './policy.js';

const endpoint = (name: string, status: 'ready' | 'notready'): StatusEvent => ({
  type: 'endpoint',
  atMs: 1,
  name,
  status,
  reason: null,
});
const component = (name: string, status: 'healthy' | 'degraded' | 'unhealthy' | 'unknown', reason: string) =>
  ({ type: 'component', atMs: 1, name, status, reason, message: '', owner: 'application' }) as const;

function judged(events: readonly StatusEvent[], policy: Partial<Policy> = {}): Verdict {
  const start: State = initialState(0, { ...POLICY, ...policy });
  return verdict(events.reduce(step, start), 10);
}
/** A worker whose one endpoint is ready, and then this. */
const gating = (events: readonly StatusEvent[], policy: Partial<Policy> = {}): string[] =>
  judged([endpoint('generate', 'ready'), ...events], policy).workerGating.map(({ code }) => code);

describe('the readiness of a worker', () => {
  it('does not wait for the phase, the first turn or the first sample', () => {
    const { phase, ready, workerReady } = judged([endpoint('generate', 'ready')]);
    expect([phase, ready, workerReady]).toEqual(['starting', false, true]);
  });

  it('is the starting status without endpoints, and that of required ones until they speak', () => {
    expect(judged([]).workerGating.map(({ code }) => code)).toEqual(['endpoint.none']);
    expect(judged([]).reasons.map(({ code }) => code)).not.toContain('endpoint.none');
    expect(judged([], { startingHealthStatus: 'ready' }).workerReady).toBe(true);
    const required = { requiredEndpoints: ['generate'] };
    expect(judged([], required).endpoints).toMatchObject([{ name: 'generate', status: 'notready' }]);
    const starting = { ...required, startingHealthStatus: 'ready' } as const;
    expect(judged([], starting).workerReady).toBe(true);
    expect(judged([{ type: 'endpoint-declared', atMs: 1, name: 'generate' }], starting).workerReady).toBe(
      true,
    );
    expect(judged([endpoint('generate', 'notready')], starting).workerReady).toBe(false);
  });

  it('asks for required endpoints only, as readiness in general does, and reports the others', () => {
    const {
      workerReady,
      gating: general,
      reasons,
    } = judged([endpoint('generate', 'ready'), endpoint('load_metrics', 'notready')], {
      requiredEndpoints: ['generate'],
    });
    expect(workerReady).toBe(true);
    expect(general.map(({ component: name }) => name)).not.toContain('endpoint');
    expect(reasons.map(({ code }) => code)).toContain('endpoint.notready');
    expect(gating([endpoint('load_metrics', 'notready')])).toEqual(['endpoint.notready']);
  });

  it.each<[string, StatusEvent, string[]]>([
    ['a model that loads', component('model', 'degraded', 'model.loading'), ['model.loading']],
    ['a model that failed', component('model', 'unhealthy', 'model.failed'), ['model.failed']],
    ['a model that nobody knows about', component('model', 'unknown', 'model.lost'), ['model.lost']],
    ['a slow engine', component('inference_engine', 'degraded', 'inference_engine.slow'), []],
    ['a component of its own', component('cache', 'unhealthy', 'cache.full'), []],
    ['a critical one', { ...component('store', 'unhealthy', 'store.down'), critical: true }, ['store.down']],
    ['a degraded critical one', { ...component('store', 'degraded', 'store.slow'), critical: true }, []],
    [
      'a blocked main thread',
      { type: 'loop', atMs: 1, level: 'blocked', sinceMs: 0 },
      ['event_loop.blocked'],
    ],
    ['a hold', { type: 'hold', atMs: 1, name: 'warmup' }, ['hold.warmup']],
    ['a drain', { type: 'phase', atMs: 1, phase: 'draining' }, ['drain.active']],
    ['the end', { type: 'phase', atMs: 1, phase: 'stopped' }, ['phase.stopped']],
    ['a failed phase', { type: 'phase', atMs: 1, phase: 'failed' }, ['phase.failed']],
  ])('after %s', (_name, event, expected) => {
    expect(gating([event])).toEqual(expected);
  });

  it('never looks at memory and CPU, unless gates lists them', () => {
    const facts = {
      atMs: 1,
      durationMs: 1,
      memoryScope: 'host',
      memoryPercent: 99,
      memoryAbsent: null,
      throttledRatio: 1,
      cpuPressurePercent: 100,
      cpuPercent: 100,
    } as const;
    const sample: StatusEvent = { type: 'sample', facts };
    expect(gating([sample])).toEqual([]);
    expect(gating([sample], { gates: ['memory'] })).toEqual(['memory.critical']);
  });

  it('is lost by the faults of GPUs that withdraw readiness, and by no other', () => {
    const finding = (code: string, used: boolean, isGating: boolean) =>
      ({
        code,
        used,
        gating: isGating,
        index: 0,
        message: '',
        sinceMs: 1,
        action: 'restart',
        restartHelps: true,
      }) as never;
    const report: GpuReport = {
      status: 'unhealthy',
      reason: 'gpu.xid.79',
      message: '',
      atMs: 1,
      gating: true,
      restartHelps: true,
      findings: [
        finding('gpu.xid.79', true, true),
        finding('gpu.throttled', true, false),
        finding('gpu.lost', false, true),
      ],
      devices: [],
      driverVersion: null,
      cudaVersion: null,
      leak: null,
    };
    expect(gating([{ type: 'gpu', report }])).toEqual(['gpu.xid.79']);
  });
});
