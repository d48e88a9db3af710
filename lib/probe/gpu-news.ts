import type { NativeGpu } from '../native/gpu-addon.js';
import {
  GPU,
  GPU_FIELDS,
  GPUS,
  GPUS_FIELDS,
  MAX_GPUS,
  MAX_XID_ROWS,
  XID_FIELDS,
} from '../native/gpu-layout.js';

/** What the driver and its threads are doing, as opposed to when they were last asked. */
const GLOBAL = [
  GPU.state,
  GPU.noneReason,
  GPU.generation,
  GPU.count,
  GPU.inventoryCount,
  GPU.stuckSinceMs,
  GPU.versionMismatch,
  GPU.deviceAccess,
  GPU.helperState,
] as const;
/** What may withdraw readiness by itself, or give it back. */
const DEVICE = [
  GPUS.present,
  GPUS.lost,
  GPUS.lastReturn,
  GPUS.stuck,
  GPUS.recoveryAction,
  GPUS.remapFailed,
  GPUS.eventDoubleBitEccAtMs,
  GPUS.eventFatalPoisonAtMs,
  GPUS.eventUnavailableAtMs,
] as const;

/**
 * Tells a fault from a sample. The threads announce both; a sample that is judged with the next regular step costs a third
 * of one that is judged at once, of every second of every process with GPUs. Returns whether there is news since the last call.
 */
export function createGpuNews(native: NativeGpu): () => boolean {
  const global = new Float64Array(GPU_FIELDS.length);
  const gpus = new Float64Array(GPUS_FIELDS.length * MAX_GPUS);
  const xids = new Float64Array(XID_FIELDS.length * MAX_XID_ROWS);
  const seen = new Float64Array(GLOBAL.length + DEVICE.length * MAX_GPUS + xids.length).fill(Number.NaN);

  return () => {
    native.readGpu('gpu', global);
    native.readGpu('gpus', gpus);
    native.readGpu('xids', xids);
    let isNews = false;
    let at = 0;
    const compare = (value: number): void => {
      if (!Object.is(seen[at], value)) isNews = true;
      seen[at] = value;
      at += 1;
    };
    for (const field of GLOBAL) compare(global[field] ?? Number.NaN);
    for (let row = 0; row < gpus.length && !Number.isNaN(gpus[row + GPUS.isMig]); row += GPUS_FIELDS.length)
      for (const field of DEVICE) compare(gpus[row + field] ?? Number.NaN);
    at = seen.length - xids.length;
    for (let row = 0; row < xids.length && !Number.isNaN(xids[row]); row += XID_FIELDS.length)
      for (let field = 0; field < XID_FIELDS.length; field += 1) compare(xids[row + field] ?? Number.NaN);
    return isNews;
  };
}
