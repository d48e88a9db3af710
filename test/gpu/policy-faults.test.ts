import { describe, expect, it } from 'vitest';
import type { GpuAction } from '../../lib/gpu/actions.js';
import type { GpuNoneReason } from '../../lib/gpu/facts.js';
import { GIB, type Scenario, scenario, uuidOf } from './policy-scenario.js';

const SECOND = 1000;
const MINUTE = 60_000;

interface Fault {
  readonly name: string;
  /** Starts the fault; what grows with time grows by `each` second. */
  readonly start: (host: Scenario) => void;
  readonly each?: (host: Scenario, seconds: number) => void;
  readonly stop?: (host: Scenario) => void;
  readonly code: string;
  readonly action: GpuAction;
  readonly severity: 'degraded' | 'unhealthy';
  readonly gating: boolean;
  readonly restartHelps: boolean;
  /** Found between these many milliseconds after the start. */
  readonly foundMs: readonly [number, number];
  /** Gone at most so long after `stop`. */
  readonly goneMs?: number;
}

const degraded = { severity: 'degraded', gating: false, restartHelps: false } as const;
const unhealthy = { severity: 'unhealthy', gating: true, restartHelps: false } as const;

const FAULTS: readonly Fault[] = [
  {
    name: 'a GPU that the driver calls lost, without any Xid',
    start: (host) => host.set(0, { lost: true, lastReturn: 15 }),
    stop: (host) => host.set(0, { lost: false, lastReturn: 0 }),
    code: 'gpu.lost',
    action: 'reboot',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: 31 * SECOND,
  },
  {
    name: 'a GPU that is no longer listed',
    start: (host) => host.remove(1),
    stop: (host) => host.restore(1),
    code: 'gpu.count_shrunk',
    action: 'reboot',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'a GPU that wants a reset',
    start: (host) => host.set(0, { lastReturn: 16 }),
    stop: (host) => host.set(0, { lastReturn: 0 }),
    code: 'gpu.reset_required',
    action: 'reset',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'field 230 asking for a reset',
    start: (host) => host.set(0, { recoveryAction: 1 }),
    stop: (host) => host.set(0, { recoveryAction: 0 }),
    code: 'gpu.recovery_required',
    action: 'reset',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: 15 * SECOND,
  },
  {
    name: 'field 230 asking for a reboot',
    start: (host) => host.set(0, { recoveryAction: 2 }),
    code: 'gpu.recovery_required',
    action: 'reboot',
    ...unhealthy,
    foundMs: [0, SECOND],
  },
  {
    name: 'field 230 asking to drain peer-to-peer work',
    start: (host) => host.set(0, { recoveryAction: 3 }),
    code: 'gpu.recovery_required',
    action: 'restart',
    ...degraded,
    restartHelps: true,
    foundMs: [0, SECOND],
  },
  {
    name: 'field 230 with a value newer than we are',
    start: (host) => host.set(0, { recoveryAction: 9 }),
    code: 'gpu.recovery_required',
    action: 'contact',
    ...unhealthy,
    foundMs: [0, SECOND],
  },
  {
    name: 'the event "GPU unavailable"',
    start: (host) => host.set(0, { unavailableAtMs: host.now() }),
    code: 'gpu.unavailable',
    action: 'reset',
    ...unhealthy,
    foundMs: [0, SECOND],
  },
  {
    name: 'the event "fatal poison"',
    start: (host) => host.set(0, { fatalPoisonAtMs: host.now() }),
    code: 'gpu.fatal_poison',
    action: 'reset',
    ...unhealthy,
    foundMs: [0, SECOND],
  },
  {
    name: 'an uncorrectable ECC error in the counter',
    start: (host) => host.set(0, { eccVolatileUncorrected: 1 }),
    stop: (host) => host.set(0, { eccVolatileUncorrected: 0 }),
    code: 'gpu.ecc_uncorrected',
    action: 'reset',
    ...degraded,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'an uncorrectable ECC error as an event, before its counter is read',
    start: (host) => host.set(0, { doubleBitEccAtMs: host.now() }),
    code: 'gpu.ecc_uncorrected',
    action: 'reset',
    ...degraded,
    foundMs: [0, SECOND],
  },
  {
    name: 'the SRAM error threshold',
    start: (host) => host.set(0, { sramThresholdExceeded: true }),
    code: 'gpu.ecc_sram_threshold',
    action: 'contact',
    ...degraded,
    foundMs: [0, SECOND],
  },
  {
    name: 'a pending row remap',
    start: (host) => host.set(0, { remapPending: true }),
    stop: (host) => host.set(0, { remapPending: false }),
    code: 'gpu.remap_pending',
    action: 'reset',
    ...degraded,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'a failed row remap',
    start: (host) => host.set(0, { remapFailed: true }),
    code: 'gpu.remap_failed',
    action: 'contact',
    ...unhealthy,
    foundMs: [0, SECOND],
  },
  {
    name: 'a pending page retirement',
    start: (host) => host.set(0, { retiredPending: true }),
    code: 'gpu.retirement_pending',
    action: 'reset',
    ...degraded,
    foundMs: [0, SECOND],
  },
  {
    name: 'memory nearly full',
    start: (host) => host.set(0, { memUsedBytes: 79 * GIB }),
    stop: (host) => host.set(0, { memUsedBytes: 70 * GIB }),
    code: 'gpu.memory_nearly_full',
    action: 'watch',
    ...degraded,
    foundMs: [30 * SECOND, 32 * SECOND],
    goneMs: 32 * SECOND,
  },
  {
    name: 'utilisation stuck at 100 % with no process',
    start: (host) =>
      host.set(0, {
        utilGpuPercent: 100,
        memUsedBytes: 2 * 2 ** 20,
        processCount: 0,
        ownMemoryBytes: 0,
        powerMw: 90_000,
      }),
    stop: (host) => host.set(0, { utilGpuPercent: 0 }),
    code: 'gpu.utilization_latched',
    action: 'watch',
    ...degraded,
    foundMs: [60 * SECOND, 62 * SECOND],
    goneMs: 2 * SECOND,
  },
  {
    name: 'heat that lasts',
    start: () => {},
    each: (host, seconds) => host.set(0, { thermalViolationNs: seconds * 0.5e9 }),
    code: 'gpu.thermal_throttling',
    action: 'watch',
    ...degraded,
    foundMs: [120 * SECOND, 310 * SECOND],
  },
  {
    name: 'a power brake',
    start: () => {},
    each: (host, seconds) => host.set(0, { hwSlowdownNs: seconds * 0.3e9 }),
    code: 'gpu.hardware_slowdown',
    action: 'watch',
    ...degraded,
    foundMs: [15 * SECOND, 75 * SECOND],
  },
  {
    name: 'power that holds back far below the limit',
    start: (host) => host.set(0, { powerMw: 300_000 }),
    each: (host, seconds) => host.set(0, { powerViolationNs: seconds * 0.9e9 }),
    code: 'gpu.power_throttling',
    action: 'watch',
    ...degraded,
    foundMs: [120 * SECOND, 610 * SECOND],
  },
  {
    name: 'NVLinks that go down',
    start: (host) => host.set(0, { nvlinkDown: 2 }),
    stop: (host) => host.set(0, { nvlinkDown: 0 }),
    code: 'gpu.nvlink_down',
    action: 'reset',
    ...degraded,
    foundMs: [20 * SECOND, 45 * SECOND],
    goneMs: 45 * SECOND,
  },
  {
    name: 'NVLink errors at a rate',
    start: () => {},
    each: (host, seconds) => host.set(0, { nvlinkErrors: seconds * 5 }),
    code: 'gpu.nvlink_errors',
    action: 'contact',
    ...degraded,
    foundMs: [15 * SECOND, 310 * SECOND],
  },
  {
    name: 'PCIe replays at a rate',
    start: () => {},
    each: (host, seconds) => host.set(0, { pcieReplay: seconds }),
    code: 'gpu.pcie_replays',
    action: 'contact',
    ...degraded,
    foundMs: [60 * SECOND, 610 * SECOND],
  },
  {
    name: 'a PCIe link that lost lanes',
    start: (host) => host.set(0, { pcieWidth: 8 }),
    stop: (host) => host.set(0, { pcieWidth: 16 }),
    code: 'gpu.pcie_width',
    action: 'contact',
    ...degraded,
    foundMs: [120 * SECOND, 140 * SECOND],
    goneMs: 16 * SECOND,
  },
  {
    name: 'a fabric that is not ready',
    start: (host) => host.set(0, { fabricState: 2 }),
    stop: (host) => host.set(0, { fabricState: 3 }),
    code: 'gpu.fabric_not_ready',
    action: 'contact',
    ...unhealthy,
    foundMs: [30 * SECOND, 46 * SECOND],
    goneMs: 16 * SECOND,
  },
  {
    name: 'a fabric registration that failed',
    start: (host) => host.set(0, { fabricStatus: 999 }),
    code: 'gpu.fabric_failed',
    action: 'contact',
    ...unhealthy,
    foundMs: [30 * SECOND, 46 * SECOND],
  },
  {
    name: 'a fabric route that is unhealthy',
    start: (host) => host.set(0, { fabricHealth: 0b01_10_10 | (1 << 8) }),
    code: 'gpu.fabric_unhealthy',
    action: 'contact',
    ...unhealthy,
    foundMs: [30 * SECOND, 46 * SECOND],
  },
  {
    name: 'a fabric with degraded bandwidth',
    start: (host) => host.set(0, { fabricHealth: 0b10_10_10_01 }),
    code: 'gpu.fabric_degraded',
    action: 'watch',
    ...degraded,
    foundMs: [30 * SECOND, 46 * SECOND],
  },
  {
    name: 'a driver that does not return',
    start: (host) =>
      host.global({
        state: 'unresponsive',
        stuckSinceMs: host.now(),
        stuckCall: 'nvmlDeviceGetMemoryInfo_v2',
      }),
    stop: (host) => host.global({ state: 'ok', stuckSinceMs: null, stuckCall: null }),
    code: 'gpu.driver_unresponsive',
    action: 'reset',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'a driver that does not return to a process that cannot end without it',
    start: (host) => host.global({ stuckSinceMs: host.now(), restartBlocked: true }),
    stop: (host) => host.global({ stuckSinceMs: null, restartBlocked: false }),
    code: 'gpu.restart_blocked',
    action: 'reboot',
    ...degraded,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'a helper process that ends',
    start: (host) => host.global({ state: 'starting', helper: 'ended' }),
    stop: (host) => host.global({ state: 'ok', helper: 'running' }),
    code: 'gpu.helper_failed',
    action: 'watch',
    ...degraded,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'a library of another version than the driver',
    start: (host) => host.global({ libraryMismatch: true }),
    stop: (host) => host.global({ libraryMismatch: false }),
    code: 'gpu.driver_mismatch',
    action: 'reboot',
    ...degraded,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'device nodes that a daemon reload took away',
    start: (host) => host.global({ accessLost: true }),
    stop: (host) => host.global({ accessLost: false }),
    code: 'gpu.access_lost',
    action: 'restart',
    ...degraded,
    restartHelps: true,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'error 999 from every GPU at once',
    start: (host) => {
      host.set(0, { lastReturn: 999 });
      host.set(1, { lastReturn: 999 });
    },
    code: 'gpu.access_lost',
    action: 'restart',
    ...degraded,
    restartHelps: true,
    foundMs: [2 * SECOND, 3 * SECOND],
  },
  {
    name: 'error 999 from one GPU of two',
    start: (host) => host.set(0, { lastReturn: 999 }),
    stop: (host) => host.set(0, { lastReturn: 0 }),
    code: 'gpu.query_failed',
    action: 'watch',
    ...degraded,
    foundMs: [3 * SECOND, 5 * SECOND],
    goneMs: 5 * SECOND,
  },
  {
    name: 'a driver that was unloaded',
    start: (host) => host.global({ state: 'none', noneReason: 'driver_not_loaded' }),
    stop: (host) => host.global({ state: 'ok', noneReason: null }),
    code: 'gpu.driver_unloaded',
    action: 'contact',
    ...unhealthy,
    foundMs: [0, SECOND],
    goneMs: SECOND,
  },
  {
    name: 'memory that grows while the load stays',
    start: (host) => host.send({ type: 'load', atMs: host.now(), inFlight: 4 }),
    each: (host, seconds) => host.set(0, { ownMemoryBytes: 30 * GIB + seconds * 2 ** 20 }),
    code: 'gpu.memory_leak',
    action: 'restart',
    ...degraded,
    restartHelps: true,
    foundMs: [40 * MINUTE, 61 * MINUTE],
  },
];

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
