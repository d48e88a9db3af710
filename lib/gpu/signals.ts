import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { isAway, isOverruled, isRecovered, needsReset, type Recovery } from './recovery.js';

/** What the GPU's handle and NVML's events other than XIDs say; XIDs are not needed for any of it. */
export function judgeSignals(
  device: GpuDeviceFacts,
  recovery: Recovery,
  policy: GpuPolicy,
  atMs: number,
): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  const open = (faultAtMs: number | null): faultAtMs is number =>
    faultAtMs !== null &&
    !isRecovered(recovery, faultAtMs, atMs, policy.recoveryStableMs) &&
    !isOverruled(recovery, faultAtMs);

  if (needsReset(device)) {
    findings.push({
      code: 'gpu.reset_required',
      severity: 'unhealthy',
      action: 'reset',
      message: 'The GPU refuses to work until it is reset',
      sinceMs: recovery.awaySinceMs ?? atMs,
    });
  } else if (isAway(device)) {
    findings.push(device.isMig ? goneMig(recovery, atMs) : gone(device, recovery, atMs));
  } else if (recovery.returnedAtMs !== null && atMs - recovery.returnedAtMs < policy.recoveryStableMs) {
    findings.push({
      code: 'gpu.lost',
      severity: 'unhealthy',
      action: 'watch',
      message: 'The GPU is back and has to answer for a while before it counts',
      sinceMs: recovery.returnedAtMs,
    });
  }
  if (open(device.unavailableAtMs)) {
    findings.push({
      code: 'gpu.unavailable',
      severity: 'unhealthy',
      action: 'reset',
      message: 'The driver has taken the GPU out of service',
      sinceMs: device.unavailableAtMs,
    });
  }
  if (open(device.fatalPoisonAtMs)) {
    findings.push({
      code: 'gpu.fatal_poison',
      severity: 'unhealthy',
      action: 'reset',
      message: 'Poisoned data was consumed and could not be contained',
      sinceMs: device.fatalPoisonAtMs,
    });
  }
  return findings;
}

function gone(device: GpuDeviceFacts, recovery: Recovery, atMs: number): RawFinding {
  const sinceMs = recovery.awaySinceMs ?? atMs;
  // Lost first and unlisted later is still the same fault.
  return device.present || device.lost
    ? {
        code: 'gpu.lost',
        severity: 'unhealthy',
        action: 'reboot',
        message: 'The GPU has fallen off the bus or is lost to the driver',
        sinceMs,
      }
    : {
        code: 'gpu.count_shrunk',
        severity: 'unhealthy',
        action: 'reboot',
        message: 'The driver no longer lists this GPU',
        sinceMs,
      };
}

function goneMig(recovery: Recovery, atMs: number): RawFinding {
  return {
    code: 'gpu.mig_gone',
    severity: 'unhealthy',
    action: 'restart',
    message: 'The MIG device no longer exists',
    sinceMs: recovery.awaySinceMs ?? atMs,
  };
}
