import { describe, expect, it } from 'vitest';
import type { GpuNoneReason } from '../../lib/gpu/facts.js';
import { FAULTS, MINUTE, SECOND } from './fault-table.js';
import { type Scenario, scenario, uuidOf } from './policy-scenario.js';

describe('a fault in a scripted scenario', () => {
  it.each(FAULTS)('$name is $code, asks for $action, in time', (fault) => {
    const host = scenario({ gpus: 2 });
    host.advance(3 * MINUTE);
    expect(host.findings()).toEqual([]);

    fault.start(host);
    let foundMs = 0;
    while (host.find(fault.code) === undefined && foundMs <= fault.foundMs[1]) {
      foundMs += SECOND;
      fault.each?.(host, foundMs / SECOND);
      host.advance(SECOND);
    }
    expect(foundMs).toBeGreaterThanOrEqual(fault.foundMs[0]);
    expect(foundMs).toBeLessThanOrEqual(fault.foundMs[1]);
    const { action, severity, gating, restartHelps } = fault;
    expect(host.find(fault.code)).toMatchObject({ action, severity, gating, restartHelps, used: true });
    expect(host.codes().filter((code) => code !== fault.code)).toEqual([]);

    if (fault.stop === undefined) return;
    fault.stop(host);
    host.advance(fault.goneMs ?? 0);
    const isBackOnProbation = ['gpu.count_shrunk', 'gpu.reset_required'].includes(fault.code);
    expect(host.codes()).toEqual(isBackOnProbation ? ['gpu.lost'] : []);
    host.advance(31 * SECOND);
    expect(host.codes()).toEqual([]);
  });

  it.each(FAULTS.filter(({ severity }) => severity === 'unhealthy'))(
    '$name gates nothing on a GPU that this process does not use',
    (fault) => {
      const isOfDevice = ![
        'gpu.driver_unresponsive',
        'gpu.driver_unloaded',
        'gpu.restart_blocked',
        'gpu.helper_failed',
      ].includes(fault.code);
      const other = fault.code === 'gpu.count_shrunk' ? 0 : 1;
      const host = scenario({ gpus: 2, policy: { visible: { cudaVisibleDevices: `${other}` } } });
      host.advance(MINUTE);
      fault.start(host);
      host.advance(fault.foundMs[1]);
      expect(host.find(fault.code)).toMatchObject({ used: !isOfDevice, gating: !isOfDevice });
    },
  );

  it('running at the power limit is no finding', () => {
    const host = scenario();
    host.set(0, { powerMw: 695_000 });
    for (let seconds = 0; seconds < 1200; seconds += 1) {
      host.set(0, { powerViolationNs: seconds * 0.95e9 });
      host.advance(SECOND);
    }
    expect(host.findings()).toEqual([]);
  });

  it('a card without NVLink bridges is no finding, one that differs from all its peers is', () => {
    const bare = { nvlinkDown: 18, fabricState: 0, fabricHealth: null };
    const host = scenario({ gpus: 3, devices: bare });
    host.advance(2 * MINUTE);
    expect(host.findings()).toEqual([]);
    host.set(0, { nvlinkDown: 0 });
    host.set(1, { nvlinkDown: 0 });
    host.advance(2 * MINUTE);
    expect(host.findings()).toMatchObject([{ code: 'gpu.nvlink_down', uuid: uuidOf(2) }]);
  });

  it('a fabric mask that is not zero but names no fault is no finding', () => {
    for (const mask of [0, 0x80, 0xaa, 0x1aa]) {
      const host = scenario();
      host.set(0, { fabricHealth: mask });
      host.advance(2 * MINUTE);
      expect(host.findings()).toEqual([]);
    }
  });

  it('an engine that still makes progress turns an unresponsive driver into a degradation', () => {
    const host = scenario();
    host.global({ state: 'unresponsive', stuckSinceMs: host.now(), stuckCall: 'nvmlInit_v2' });
    host.advance(SECOND);
    expect(host.find('gpu.driver_unresponsive')).toMatchObject({ gating: true });
    for (let work = 0; work < 3; work += 1) {
      host.send({ type: 'engine-success', atMs: host.now(), beganAtMs: host.now() });
    }
    expect(host.find('gpu.driver_unresponsive')).toMatchObject({ severity: 'degraded', gating: false });
  });

  it('a host without a GPU has a finding only where one is required, or where the driver is there and fails', () => {
    const none = (mode: 'auto' | 'required', noneReason: GpuNoneReason): Scenario =>
      scenario({ gpus: 0, policy: { mode }, first: { state: 'none', noneReason } });
    for (const reason of ['library_missing', 'driver_not_loaded', 'no_device_nodes'] as const) {
      expect(none('auto', reason).findings()).toEqual([]);
      expect(none('required', reason).findings()).toMatchObject([{ code: 'gpu.none', gating: true }]);
    }
    expect(none('auto', 'init_failed').findings()).toMatchObject([{ code: 'gpu.none', gating: false }]);
    expect(none('auto', 'version_mismatch').findings()).toMatchObject([
      { code: 'gpu.driver_mismatch', severity: 'degraded', restartHelps: false },
    ]);
    expect(none('required', 'access_lost').findings()).toMatchObject([
      { code: 'gpu.access_lost', severity: 'unhealthy', restartHelps: true },
    ]);
  });

  it('released handles are no finding, and what the kernel reports meanwhile is', () => {
    const host = scenario();
    host.advance(MINUTE);
    host.global({ state: 'released', gpus: [] });
    host.advance(MINUTE);
    expect(host.findings()).toEqual([]);
    host.xid(79);
    expect(host.findings()).toMatchObject([{ code: 'gpu.xid.79', gating: true }]);
  });
});
