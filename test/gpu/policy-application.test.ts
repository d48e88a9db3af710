import { describe, expect, it } from 'vitest';
import type { GpuErrorKind } from '../../lib/gpu/app-error.js';
import { gpuComponent } from '../../lib/gpu/component.js';
import { GIB, type Scenario, scenario, uuidOf } from './policy-scenario.js';

const SECOND = 1000;
const MINUTE = 60_000;

function report(host: Scenario, kind: GpuErrorKind, ordinal: number | null = null): void {
  host.send({ type: 'engine-error', atMs: host.now(), kind, message: `text of ${kind}`, ordinal });
}

describe('an error that the application reports', () => {
  it('out of memory degrades once, and withdraws readiness at the third within a minute', () => {
    const host = scenario();
    report(host, 'oom');
    expect(host.findings()).toMatchObject([
      { code: 'gpu.oom', severity: 'degraded', gating: false, action: 'watch' },
    ]);
    host.advance(10 * SECOND);
    report(host, 'oom');
    host.advance(10 * SECOND);
    report(host, 'oom');
    expect(host.findings()).toMatchObject([
      { code: 'gpu.oom', severity: 'unhealthy', gating: true, restartHelps: true },
    ]);
  });

  it('out of memory once is forgotten after a minute; often, when memory is free again', () => {
    const once = scenario();
    report(once, 'oom');
    expect(once.until('gpu.oom', 10 * MINUTE, false)).toBe(MINUTE);

    const often = scenario();
    often.set(0, { memUsedBytes: 79 * GIB });
    for (let time = 0; time < 3; time += 1) report(often, 'oom');
    often.advance(10 * MINUTE);
    expect(often.find('gpu.oom')).toMatchObject({ gating: true });
    often.set(0, { memUsedBytes: 40 * GIB });
    often.advance(SECOND);
    expect(often.find('gpu.oom')).toBeUndefined();
  });

  it.each(['illegal_access', 'device_assert', 'launch_failed', 'timeout', 'ecc'] as const)(
    '%s poisons the context until work that began later succeeds three times',
    (kind) => {
      const host = scenario();
      report(host, kind);
      expect(host.findings()).toMatchObject([
        {
          code: 'gpu.context_poisoned',
          uuid: uuidOf(0),
          severity: 'unhealthy',
          action: 'restart',
          restartHelps: true,
          gating: true,
        },
      ]);
      const faultAtMs = host.now();
      host.advance(30 * MINUTE);
      expect(host.codes()).toEqual(['gpu.context_poisoned']);
      for (let work = 0; work < 3; work += 1) {
        host.send({ type: 'engine-success', atMs: host.now(), beganAtMs: faultAtMs - 5 });
      }
      expect(host.codes()).toEqual(['gpu.context_poisoned']);
      for (let work = 0; work < 3; work += 1) {
        host.send({ type: 'engine-success', atMs: host.now(), beganAtMs: host.now() });
      }
      expect(host.findings()).toEqual([]);
    },
  );

  it('"lost" is not cured by a restart', () => {
    const host = scenario();
    report(host, 'lost');
    expect(host.findings()).toMatchObject([
      { code: 'gpu.lost', action: 'reboot', restartHelps: false, gating: true },
    ]);
  });

  it('of a library without a cause degrades, and poisons at the third', () => {
    const host = scenario();
    report(host, 'internal');
    expect(host.findings()).toMatchObject([{ code: 'gpu.library_error', gating: false }]);
    report(host, 'internal');
    report(host, 'internal');
    expect(host.codes()).toEqual(['gpu.context_poisoned']);
    const quiet = scenario();
    report(quiet, 'internal');
    expect(quiet.until('gpu.library_error', 10 * MINUTE, false)).toBe(MINUTE);
  });

  it("names the GPU by CUDA's ordinal, which CUDA_VISIBLE_DEVICES reorders", () => {
    const host = scenario({ gpus: 3, policy: { visible: { cudaVisibleDevices: '2,0' } } });
    report(host, 'illegal_access', 0);
    expect(host.find('gpu.context_poisoned')).toMatchObject({ uuid: uuidOf(2), index: 2 });
  });

  it('counts without any driver to ask', () => {
    const host = scenario({ gpus: 0, first: { state: 'none', noneReason: 'library_missing' } });
    report(host, 'illegal_access');
    expect(host.findings()).toMatchObject([{ code: 'gpu.context_poisoned', uuid: null, gating: true }]);
  });
});

describe('the gpu component', () => {
  const componentOf = (host: Scenario) => gpuComponent(host.state(), host.findings());

  it('has the documented message while all is well', () => {
    expect(componentOf(scenario())).toMatchObject({
      status: 'healthy',
      message: 'GPU available: CUDA device 0',
    });
    expect(componentOf(scenario({ gpus: 2 }))?.message).toBe('GPU available: CUDA devices 0, 1');
  });

  it('does not exist without a GPU, unless one is required', () => {
    const first = { state: 'none', noneReason: 'library_missing' } as const;
    expect(componentOf(scenario({ gpus: 0, first }))).toBeNull();
    expect(componentOf(scenario({ gpus: 0, first, policy: { mode: 'required' } }))).toMatchObject({
      status: 'unhealthy',
      reason: 'gpu.none',
      gating: true,
    });
  });

  it('takes the worst of the GPUs in use and gates only by what gates', () => {
    const host = scenario({ gpus: 2, policy: { visible: { cudaVisibleDevices: '0' } } });
    host.xid(79, { uuid: uuidOf(1) });
    expect(componentOf(host)).toMatchObject({ status: 'healthy', gating: false });
    host.set(0, { remapPending: true });
    host.advance(SECOND);
    expect(componentOf(host)).toMatchObject({
      status: 'degraded',
      reason: 'gpu.remap_pending',
      gating: false,
    });
    host.xid(95);
    expect(componentOf(host)).toMatchObject({
      status: 'unhealthy',
      reason: 'gpu.xid.95',
      gating: true,
      restartHelps: false,
      message: 'GPU 0: Xid 95 (Uncontained memory error) (and 1 more)',
    });
  });

  it('says that a restart helps only if it cures all that gates', () => {
    const host = scenario();
    report(host, 'illegal_access');
    expect(componentOf(host)?.restartHelps).toBe(true);
    host.xid(79);
    expect(componentOf(host)?.restartHelps).toBe(false);
  });

  it('is unknown, and gates nothing, while handles are released or the driver is being asked', () => {
    expect(componentOf(scenario({ gpus: 0, first: { state: 'starting' } }))?.status).toBe('unknown');
    const host = scenario();
    host.global({ state: 'released', gpus: [] });
    host.advance(SECOND);
    expect(componentOf(host)).toMatchObject({ status: 'unknown', reason: 'gpu.released', gating: false });
  });
});
