import { emptyDevice, type GpuDeviceFacts, type GpuFacts, type XidFacts } from '../../lib/gpu/facts.js';
import type { GpuFinding } from '../../lib/gpu/finding.js';
import { type GpuEvent, type GpuPolicyState, initialGpuState, stepGpu } from '../../lib/gpu/policy.js';
import { DEFAULT_GPU_POLICY, type GpuPolicy } from '../../lib/gpu/policy-options.js';

export const GIB = 2 ** 30;
export const OWN_PID = 4242;
export const uuidOf = (index: number): string => `GPU-0000000${index}-1111-2222-3333-444444444444`;

/** A healthy H100-like device; the tiers' times are filled in by the scenario. */
export function healthyDevice(index: number): GpuDeviceFacts {
  return {
    ...emptyDevice(uuidOf(index), index),
    name: 'NVIDIA H100',
    lastReturn: 0,
    memTotalBytes: 80 * GIB,
    memUsedBytes: 60 * GIB,
    utilGpuPercent: 70,
    powerMw: 500_000,
    powerLimitMw: 700_000,
    temperatureC: 60,
    clockReasons: 0,
    eccVolatileUncorrected: 0,
    eccVolatileCorrected: 0,
    sramThresholdExceeded: false,
    remapPending: false,
    remapFailed: false,
    retiredPending: false,
    pcieReplay: 0,
    pcieWidth: 16,
    pcieMaxWidth: 16,
    nvlinkCount: 18,
    nvlinkDown: 0,
    nvlinkErrors: 0,
    fabricState: 3,
    fabricStatus: 0,
    fabricHealth: 0xaa,
    recoveryAction: 0,
    powerViolationNs: 0,
    thermalViolationNs: 0,
    hwSlowdownNs: 0,
    processCount: 2,
    ownMemoryBytes: 30 * GIB,
  };
}

export function xidFacts(xid: number, atMs: number, partial: Partial<XidFacts> = {}): XidFacts {
  return {
    uuid: uuidOf(0),
    xid,
    isSxid: false,
    count: 1,
    firstAtMs: atMs,
    lastAtMs: atMs,
    sources: 2,
    pid: null,
    ownCount: 0,
    toAction: null,
    fatal: null,
    ...partial,
  };
}

const FAST_MS = 1000;
const MEDIUM_MS = 15_000;
const SLOW_MS = 60_000;

/** A host whose facts are changed by the test while virtual time passes, sampled as the native threads do. */
export interface Scenario {
  readonly now: () => number;
  /** Applies from the next sample on. */
  readonly set: (index: number, change: Partial<GpuDeviceFacts>) => void;
  readonly global: (change: Partial<GpuFacts>) => void;
  /** Leaves a fact to the scenario again. */
  readonly globalUnset: (key: keyof GpuFacts) => void;
  readonly remove: (index: number) => void;
  readonly restore: (index: number) => void;
  /** Native tables count on: raises the row's count at once and delivers it. */
  readonly xid: (xid: number, partial?: Partial<XidFacts> & { readonly times?: number }) => void;
  readonly send: (event: GpuEvent) => void;
  readonly advance: (ms: number) => void;
  readonly findings: () => readonly GpuFinding[];
  readonly codes: () => readonly string[];
  readonly find: (code: string) => GpuFinding | undefined;
  /** Advances until the finding is there (or gone); its delay in ms, or null if that takes longer than `limitMs`. */
  readonly until: (code: string, limitMs: number, present?: boolean) => number | null;
  readonly state: () => GpuPolicyState;
}

export interface ScenarioOptions {
  readonly gpus?: number;
  readonly policy?: Partial<GpuPolicy>;
  readonly startMs?: number;
  /** Between two observations; 1 s as in production, more where hours have to pass. */
  readonly stepMs?: number;
  /** Differences of every device from a healthy one, from the start. */
  readonly devices?: Partial<GpuDeviceFacts>;
  /** Already true at the first observation. */
  readonly first?: Partial<GpuFacts>;
}

export function scenario(options: ScenarioOptions = {}): Scenario {
  const stepMs = options.stepMs ?? FAST_MS;
  let atMs = options.startMs ?? 1_000_000;
  let state = initialGpuState({ ...DEFAULT_GPU_POLICY, ...options.policy });
  let findings: readonly GpuFinding[] = [];
  let devices: readonly GpuDeviceFacts[] = Array.from({ length: options.gpus ?? 1 }, (_, index) => ({
    ...healthyDevice(index),
    ...options.devices,
  }));
  const removed = new Set<string>();
  let rows: readonly XidFacts[] = [];
  let common: Partial<GpuFacts> = options.first ?? {};

  const apply = (event: GpuEvent): void => {
    ({ state, findings } = stepGpu(state, event));
  };
  const floor = (tierMs: number): number => Math.floor(atMs / tierMs) * tierMs;
  const deliver = (): void => {
    const frozen = common.state !== undefined && common.state !== 'ok';
    const gpus = devices
      .filter(({ uuid }) => !removed.has(uuid))
      .map((device) =>
        frozen
          ? device
          : { ...device, fastAtMs: floor(FAST_MS), mediumAtMs: floor(MEDIUM_MS), slowAtMs: floor(SLOW_MS) },
      );
    apply({
      type: 'facts',
      facts: {
        atMs,
        state: 'ok',
        noneReason: null,
        generation: 1,
        count: gpus.length,
        inventoryCount: devices.length,
        driverVersion: '595.45.04',
        libraryMismatch: false,
        accessLost: false,
        stuckSinceMs: null,
        stuckCall: null,
        ownPids: [OWN_PID],
        pidsComparable: true,
        gpus,
        xids: rows,
        ...common,
      },
    });
  };
  deliver();

  const advance = (ms: number): void => {
    const end = atMs + ms;
    while (atMs < end) {
      atMs = Math.min(end, floor(stepMs) + stepMs);
      deliver();
    }
  };
  return {
    now: () => atMs,
    set(index, change) {
      devices = devices.map((device, at) => (at === index ? { ...device, ...change } : device));
    },
    global(change) {
      common = { ...common, ...change };
    },
    globalUnset(key) {
      const { [key]: _dropped, ...rest } = common;
      common = rest;
    },
    remove: (index) => removed.add(uuidOf(index)),
    restore: (index) => removed.delete(uuidOf(index)),
    xid(xid, { times = 1, ...partial } = {}) {
      const uuid = partial.uuid === undefined ? uuidOf(0) : partial.uuid;
      const before = rows.find((row) => row.xid === xid && row.uuid === uuid);
      const own = partial.pid === OWN_PID ? times : 0;
      const row: XidFacts = {
        ...xidFacts(xid, atMs, { ...partial, uuid }),
        count: (before?.count ?? 0) + times,
        ownCount: (before?.ownCount ?? 0) + own,
        firstAtMs: before?.firstAtMs ?? atMs,
      };
      rows = [...rows.filter((other) => other !== before), row];
      deliver();
    },
    send: apply,
    advance,
    findings: () => findings,
    codes: () => findings.map(({ code }) => code),
    find: (code) => findings.find((finding) => finding.code === code),
    until(code, limitMs, present = true) {
      const start = atMs;
      for (;;) {
        if (findings.some((finding) => finding.code === code) === present) return atMs - start;
        if (atMs - start >= limitMs) return null;
        advance(stepMs);
      }
    },
    state: () => state,
  };
}
