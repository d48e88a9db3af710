import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { QUIET, type Sustained, stepSustained } from './sustained.js';

/** How full the GPU is, and whether its utilisation can be believed. */
export interface Occupancy {
  readonly full: Sustained;
  readonly latch: Sustained;
}

export const NO_OCCUPANCY: Occupancy = { full: QUIET, latch: QUIET };

const GAP_MS = 15_000;
/** An idle GPU shows a few MiB; a CUDA context alone takes over 200 MiB. */
const EMPTY_BYTES = 128 * 2 ** 20;
/** Busy multiprocessors draw more than this part of the limit, latched counters do not. */
const IDLE_POWER_RATIO = 0.5;

export function stepOccupancy(state: Occupancy, device: GpuDeviceFacts, policy: GpuPolicy): Occupancy {
  const { memUsedBytes, memTotalBytes, utilGpuPercent, fastAtMs } = device;
  const percent =
    memUsedBytes === null || memTotalBytes === null || memTotalBytes <= 0
      ? null
      : (memUsedBytes / memTotalBytes) * 100;
  const { enterPercent, leavePercent, holdMs } = policy.memoryFull;
  const full = stepSustained(
    state.full,
    percent === null ? null : { enter: percent > enterPercent, leave: percent < leavePercent },
    fastAtMs,
    { enterMs: holdMs, leaveMs: holdMs, gapMs: GAP_MS },
  );
  const latched = isLatched(device, policy.latch.utilPercent);
  const latch = stepSustained(
    state.latch,
    utilGpuPercent === null || memUsedBytes === null ? null : { enter: latched, leave: !latched },
    fastAtMs,
    { enterMs: policy.latch.holdMs, leaveMs: 0, gapMs: GAP_MS },
  );
  return full === state.full && latch === state.latch ? state : { full, latch };
}

/** Full utilisation on a GPU that no process holds: a counter left behind by a kernel that was killed (seen on Blackwell). */
function isLatched(device: GpuDeviceFacts, utilPercent: number): boolean {
  const { utilGpuPercent, memUsedBytes, processCount, ownMemoryBytes, powerMw, powerLimitMw } = device;
  return (
    (utilGpuPercent ?? 0) >= utilPercent &&
    (memUsedBytes ?? Number.POSITIVE_INFINITY) <= EMPTY_BYTES &&
    (processCount ?? 0) === 0 &&
    (ownMemoryBytes ?? 0) === 0 &&
    (powerMw === null || powerLimitMw === null || powerMw <= powerLimitMw * IDLE_POWER_RATIO)
  );
}

export function judgeOccupancy({ full, latch }: Occupancy, device: GpuDeviceFacts): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  if (full.active) {
    const percent = ((device.memUsedBytes ?? 0) / (device.memTotalBytes ?? 1)) * 100;
    findings.push({
      code: 'gpu.memory_nearly_full',
      severity: 'degraded',
      action: 'watch',
      message: `GPU memory usage: ${percent.toFixed(1)}%`,
      sinceMs: full.sinceMs,
    });
  }
  if (latch.active) {
    findings.push({
      code: 'gpu.utilization_latched',
      severity: 'degraded',
      action: 'watch',
      message:
        'Utilization is stuck at its maximum with no process on the GPU: do not use it as a load signal',
      sinceMs: latch.sinceMs,
    });
  }
  return findings;
}
