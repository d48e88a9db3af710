import type { GpuDeviceFacts } from '../gpu/facts.js';
import type { GpuReport } from '../status/types.js';
import type { Details } from './view.js';

const MIB = 1024 * 1024;

/** Keys of BitNet.rs's `metrics` about GPUs: memory of those in use, and the trend of a leak. Absent values are left out. */
export function gpuMetrics({ devices, leak }: GpuReport): object {
  const used = devices.filter((device) => device.used && !device.facts.isMig);
  const known = used.map(({ facts }) => facts.memUsedBytes).filter((bytes) => bytes !== null);
  return {
    ...(known.length === 0
      ? {}
      : { gpu_memory_mb: round(known.reduce((sum, bytes) => sum + bytes, 0) / MIB, 1) }),
    ...(leak === null ? {} : { gpu_memory_leak: leak }),
  };
}

/** Key `gpus`: one entry a GPU or MIG device, in the driver's order. */
export function gpusDocument({ devices, findings }: GpuReport, details: Details): readonly object[] {
  return devices.map(({ facts, used }) => {
    const own = findings.filter(({ uuid }) => uuid === facts.uuid);
    const worst = own.some(({ severity }) => severity === 'unhealthy')
      ? 'unhealthy'
      : own.length > 0
        ? 'degraded'
        : 'healthy';
    return {
      index: facts.index,
      uuid: facts.uuid,
      ...(facts.name === null ? {} : { name: facts.name }),
      used,
      present: facts.present,
      ...(facts.isMig ? { mig_parent: facts.parentUuid } : {}),
      status: worst,
      ...measurements(facts),
      findings: own.map(({ code, action, restartHelps, message }) => ({
        code,
        action,
        restart_helps: restartHelps,
        ...(details === 'full' ? { message } : {}),
      })),
    };
  });
}

function measurements(facts: GpuDeviceFacts): object {
  const values: Readonly<Record<string, number | null>> = {
    memory_total_bytes: facts.memTotalBytes,
    memory_used_bytes: facts.memUsedBytes,
    utilization_percent: facts.utilGpuPercent,
    temperature_celsius: facts.temperatureC,
    power_watts: facts.powerMw === null ? null : round(facts.powerMw / 1000, 1),
    power_limit_watts: facts.powerLimitMw === null ? null : round(facts.powerLimitMw / 1000, 1),
    ecc_uncorrected: facts.eccVolatileUncorrected,
    recovery_action: facts.recoveryAction,
    process_count: facts.processCount,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
