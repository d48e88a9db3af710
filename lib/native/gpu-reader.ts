import type { GpuDeviceFacts, GpuFacts, GpuHelperState, XidFacts } from '../gpu/facts.js';
import type { NativeGpu, NativeGpuText } from './gpu-addon.js';
import {
  GPU,
  GPU_FIELDS,
  GPU_NONE_REASONS,
  GPU_STATES,
  GPUS,
  GPUS_FIELDS,
  HELPER_STATES,
  MAX_GPUS,
  MAX_XID_ROWS,
  XID,
  XID_FIELDS,
} from './gpu-layout.js';

/** What the GPU threads have published, as the policy reads it. The arrays are reused; the facts are new every time. */
export interface GpuReader {
  /** The sections as of the last `read()`, for metrics; NaN = absent. */
  readonly global: Float64Array;
  readonly gpus: Float64Array;
  readonly xids: Float64Array;
  /** Cheap: changes when `read()` would give something new. */
  version(): number;
  /** @param nowMs CLOCK_MONOTONIC */
  read(nowMs: number): GpuFacts;
  /** Names and versions as of the last `read()`. */
  text(): NativeGpuText;
}

/** What is text about the GPUs changes only when the inventory does. */
const TEXT_FIELDS = [GPU.generation, GPU.inventoryCount, GPU.count, GPU.state] as const;

/** @param ownPids this process and its engine children, besides what the threads know themselves. */
export function createGpuReader(native: NativeGpu, ownPids: () => readonly number[] = () => []): GpuReader {
  const global = new Float64Array(GPU_FIELDS.length).fill(Number.NaN);
  const gpus = new Float64Array(GPUS_FIELDS.length * MAX_GPUS).fill(Number.NaN);
  const xids = new Float64Array(XID_FIELDS.length * MAX_XID_ROWS).fill(Number.NaN);
  const callNames = native.layout().calls;
  let text = native.gpuText();
  let textKey = '';

  function refreshText(): void {
    const key = TEXT_FIELDS.map((slot) => global[slot]).join();
    if (key === textKey) return;
    textKey = key;
    text = native.gpuText();
  }

  function read(nowMs: number): GpuFacts {
    native.readGpu('gpu', global);
    native.readGpu('gpus', gpus);
    native.readGpu('xids', xids);
    refreshText();
    const value = (slot: number): number | null => known(global[slot]);
    const ownPid = value(GPU.ownPid);
    const others = ownPids();
    const call = value(GPU.stuckCall);
    return {
      atMs: nowMs,
      state: GPU_STATES[value(GPU.state) ?? 0] ?? 'off',
      noneReason: GPU_NONE_REASONS[value(GPU.noneReason) ?? 0] ?? null,
      generation: value(GPU.generation) ?? 0,
      count: value(GPU.count),
      inventoryCount: value(GPU.inventoryCount),
      driverVersion: text.driverVersion || null,
      libraryMismatch: truth(global[GPU.versionMismatch]),
      accessLost: negated(truth(global[GPU.deviceAccess])),
      stuckSinceMs: value(GPU.stuckSinceMs),
      stuckCall: call === null ? null : (callNames[call] ?? null),
      restartBlocked: truth(global[GPU.restartBlocked]) === true,
      ...helperOf(value(GPU.helperState)),
      ownPids: ownPid === null ? others : [ownPid, ...others],
      pidsComparable: ownPid !== null,
      gpus: text.gpus.map((gpu) => deviceFacts(gpu, text, gpus)),
      xids: xidRows(xids, text),
    };
  }

  return { global, gpus, xids, version: () => native.gpuVersion(), read, text: () => text };
}

function helperOf(state: number | null): { helper?: GpuHelperState } {
  const name = HELPER_STATES[state ?? 0] ?? 'not_used';
  return name === 'not_used' ? {} : { helper: name };
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function truth(value: number | undefined): boolean | null {
  const number = known(value);
  return number === null ? null : number !== 0;
}

function negated(value: boolean | null): boolean | null {
  return value === null ? null : !value;
}

function deviceFacts(
  gpu: NativeGpuText['gpus'][number],
  text: NativeGpuText,
  gpus: Float64Array,
): GpuDeviceFacts {
  const at = gpu.slot * GPUS_FIELDS.length;
  const number = (field: keyof typeof GPUS): number | null => known(gpus[at + GPUS[field]]);
  const flag = (field: keyof typeof GPUS): boolean | null => truth(gpus[at + GPUS[field]]);
  return {
    uuid: gpu.uuid,
    index: number('index') ?? gpu.slot,
    name: gpu.name || null,
    isMig: gpu.isMig,
    parentUuid: text.gpus.find(({ slot }) => slot === gpu.parentSlot)?.uuid ?? null,
    present: flag('present') ?? false,
    lost: flag('lost') ?? false,
    lastReturn: number('lastReturn'),
    fastAtMs: number('fastAtMs'),
    mediumAtMs: number('mediumAtMs'),
    slowAtMs: number('slowAtMs'),
    memTotalBytes: number('memTotalBytes'),
    memUsedBytes: number('memUsedBytes'),
    utilGpuPercent: number('utilGpuPercent'),
    powerMw: number('powerMw'),
    powerLimitMw: number('powerLimitMw'),
    temperatureC: number('temperatureC'),
    clockReasons: number('clockReasons'),
    eccVolatileUncorrected: number('eccVolatileUncorrected'),
    eccVolatileCorrected: number('eccVolatileCorrected'),
    sramThresholdExceeded: flag('sramThresholdExceeded'),
    remapPending: flag('remapPending'),
    remapFailed: flag('remapFailed'),
    retiredPending: flag('retiredPending'),
    pcieReplay: number('pcieReplay'),
    pcieWidth: number('pcieWidth'),
    pcieMaxWidth: number('pcieMaxWidth'),
    nvlinkCount: number('nvlinkCount'),
    nvlinkDown: number('nvlinkDown'),
    nvlinkErrors: number('nvlinkErrors'),
    fabricState: number('fabricState'),
    fabricStatus: number('fabricStatus'),
    fabricHealth: number('fabricHealth'),
    recoveryAction: number('recoveryAction'),
    doubleBitEccAtMs: number('eventDoubleBitEccAtMs'),
    fatalPoisonAtMs: number('eventFatalPoisonAtMs'),
    unavailableAtMs: number('eventUnavailableAtMs'),
    powerViolationNs: number('powerViolationNs'),
    thermalViolationNs: number('thermalViolationNs'),
    hwSlowdownNs: number('hwSlowdownNs'),
    processCount: number('processCount'),
    ownMemoryBytes: number('ownMemoryBytes'),
  };
}

function xidRows(xids: Float64Array, text: NativeGpuText): XidFacts[] {
  const rows: XidFacts[] = [];
  for (let row = 0; row < MAX_XID_ROWS; row += 1) {
    const at = row * XID_FIELDS.length;
    if (Number.isNaN(xids[at] ?? Number.NaN)) break;
    const number = (field: keyof typeof XID): number | null => known(xids[at + XID[field]]);
    const slot = number('gpuSlot');
    const severity = number('severity') ?? 0;
    rows.push({
      uuid: text.gpus.find((gpu) => gpu.slot === slot)?.uuid ?? null,
      xid: number('xid') ?? 0,
      isSxid: number('isSxid') === 1,
      count: number('count') ?? 0,
      firstAtMs: number('firstAtMs') ?? 0,
      lastAtMs: number('lastAtMs') ?? 0,
      sources: number('sources') ?? 0,
      pid: number('pid'),
      ownCount: number('ownCount') ?? 0,
      toAction: number('toAction'),
      fatal: severity === 0 ? null : severity > 1,
    });
  }
  return rows;
}
