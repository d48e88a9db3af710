import type { GpuCallInput, GpuInput, GpuXidInput } from '../metrics/input.js';
import type { NativeGpu } from '../native/gpu-addon.js';
import { GPU, GPU_CALL, GPU_FIELDS, MAX_XID_ROWS, XID, XID_FIELDS } from '../native/gpu-layout.js';
import type { GpuReport } from '../status/types.js';

/** What one scrape says about GPUs: the report of the policy, and the counters of the native block. */
export function collectGpu(report: GpuReport, native: NativeGpu): GpuInput {
  return {
    devices: report.devices.map(({ facts, used }) => ({
      uuid: facts.uuid,
      index: facts.index,
      model: facts.name,
      present: facts.present,
      used,
      sampledAtMs: facts.fastAtMs,
      memUsedBytes: facts.memUsedBytes,
      memTotalBytes: facts.memTotalBytes,
      utilGpuPercent: facts.utilGpuPercent,
      temperatureC: facts.temperatureC,
      powerMw: facts.powerMw,
      eccVolatileUncorrected: facts.eccVolatileUncorrected,
      recoveryAction: facts.recoveryAction,
    })),
    findings: report.findings.map(({ code, uuid, index }) => ({ code, uuid, index })),
    // Null where `onGpuFailure: 'ignore'` lets nothing gate.
    restartHelps: report.gating ? report.restartHelps : null,
    xids: readXids(report, native),
    xidsDropped: readOverflow(native),
    calls: readCalls(native),
  };
}

function readXids(report: GpuReport, native: NativeGpu): GpuXidInput[] {
  const slots = new Float64Array(XID_FIELDS.length * MAX_XID_ROWS);
  native.readGpu('xids', slots);
  const { gpus } = native.gpuText();
  const rows: GpuXidInput[] = [];
  for (let at = 0; at < slots.length; at += XID_FIELDS.length) {
    const value = (field: keyof typeof XID): number => slots[at + XID[field]] ?? Number.NaN;
    if (Number.isNaN(value('gpuSlot'))) break;
    const uuid = gpus.find(({ slot }) => slot === value('gpuSlot'))?.uuid ?? null;
    const index = report.devices.find(({ facts }) => facts.uuid === uuid)?.facts.index ?? null;
    rows.push({ uuid, index, xid: value('xid'), isSxid: value('isSxid') === 1, count: value('count') });
  }
  return rows;
}

/** XIDs for which the table of the native block had no row left. */
function readOverflow(native: NativeGpu): number {
  const slots = new Float64Array(GPU_FIELDS.length);
  native.readGpu('gpu', slots);
  const overflow = slots[GPU.xidOverflow] ?? 0;
  return Number.isNaN(overflow) ? 0 : overflow;
}

function readCalls(native: NativeGpu): GpuCallInput[] {
  const { calls, gpuCalls } = native.layout();
  const slots = new Float64Array(gpuCalls.slots);
  native.readGpu('gpuCalls', slots);
  return calls
    .map((call, row) => {
      const value = (field: keyof typeof GPU_CALL): number =>
        slots[row * gpuCalls.stride + GPU_CALL[field]] ?? Number.NaN;
      return { call, count: value('calls'), sumMs: value('sumUs') / 1000 };
    })
    .filter(({ count }) => count > 0);
}
