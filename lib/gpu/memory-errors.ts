import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { isRecovered, type Recovery } from './recovery.js';

/** Since when each memory fault has been reported; null while it is not. */
export interface MemoryErrors {
  readonly uncorrected: number | null;
  readonly sramThreshold: number | null;
  readonly remapPending: number | null;
  readonly remapFailed: number | null;
  readonly retiredPending: number | null;
}

export const NO_MEMORY_ERRORS: MemoryErrors = {
  uncorrected: null,
  sramThreshold: null,
  remapPending: null,
  remapFailed: null,
  retiredPending: null,
};

/** All of these are flags or counters that the driver keeps until the GPU is reset or replaced, so each read decides. */
export function stepMemoryErrors(
  state: MemoryErrors,
  device: GpuDeviceFacts,
  recovery: Recovery,
  policy: GpuPolicy,
  atMs: number,
): MemoryErrors {
  const since = (before: number | null, now: boolean | null): number | null =>
    now === null ? before : now ? (before ?? atMs) : null;
  const { doubleBitEccAtMs, eccVolatileUncorrected } = device;
  // The event arrives at once, the counter with the next read of its tier.
  const signalled =
    doubleBitEccAtMs !== null &&
    !isRecovered(recovery, doubleBitEccAtMs, atMs, policy.recoveryStableMs) &&
    (eccVolatileUncorrected !== 0 || (device.mediumAtMs ?? 0) <= doubleBitEccAtMs);
  const counted = eccVolatileUncorrected === null ? null : eccVolatileUncorrected > 0;
  return {
    uncorrected: since(state.uncorrected, signalled ? true : counted),
    sramThreshold: since(state.sramThreshold, device.sramThresholdExceeded),
    remapPending: since(state.remapPending, device.remapPending),
    remapFailed: since(state.remapFailed, device.remapFailed),
    retiredPending: since(state.retiredPending, device.retiredPending),
  };
}

export function judgeMemoryErrors(state: MemoryErrors, device: GpuDeviceFacts): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  const add = (sinceMs: number | null, finding: Omit<RawFinding, 'sinceMs'>): void => {
    if (sinceMs !== null) findings.push({ ...finding, sinceMs });
  };
  add(state.uncorrected, {
    code: 'gpu.ecc_uncorrected',
    severity: 'degraded',
    action: 'reset',
    message: `Uncorrectable memory errors since the last reset: ${device.eccVolatileUncorrected ?? 'reported'}`,
  });
  add(state.sramThreshold, {
    code: 'gpu.ecc_sram_threshold',
    severity: 'degraded',
    action: 'contact',
    message: 'Uncorrectable SRAM errors exceed the threshold for replacement',
  });
  add(state.remapPending, {
    code: 'gpu.remap_pending',
    severity: 'degraded',
    action: 'reset',
    message: 'A memory row waits to be replaced at the next reset',
  });
  add(state.remapFailed, {
    code: 'gpu.remap_failed',
    severity: 'unhealthy',
    action: 'contact',
    message: 'A memory row could not be replaced',
  });
  add(state.retiredPending, {
    code: 'gpu.retirement_pending',
    severity: 'degraded',
    action: 'reset',
    message: 'A memory page waits to be retired at the next reset',
  });
  return findings;
}
