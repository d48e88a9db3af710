import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { QUIET, type Sustained, stepSustained } from './sustained.js';

/** Registration with the NVSwitch fabric (Hopper and later); CUDA cannot start on a GPU that has not completed it. */
export interface Fabric {
  readonly notReady: Sustained;
  readonly failed: Sustained;
  readonly unhealthy: Sustained;
  readonly degraded: Sustained;
}

export const NO_FABRIC: Fabric = { notReady: QUIET, failed: QUIET, unhealthy: QUIET, degraded: QUIET };

const NOT_SUPPORTED = 0;
const COMPLETED = 3;

/** Fields of NVML's health mask: 1 = fault. A mask that is not zero is no fault by itself (0xAA is healthy). */
const FAULT = 1;
const MASK = {
  degradedBandwidth: { shift: 0, bits: 0b11 },
  routeRecovery: { shift: 2, bits: 0b11 },
  routeUnhealthy: { shift: 4, bits: 0b11 },
  accessTimeoutRecovery: { shift: 6, bits: 0b11 },
  incorrectConfiguration: { shift: 8, bits: 0b1111 },
} as const;

function field(mask: number, { shift, bits }: { readonly shift: number; readonly bits: number }): number {
  return (mask >>> shift) & bits;
}

export function fabricFaults(mask: number): readonly string[] {
  const faults: string[] = [];
  if (field(mask, MASK.degradedBandwidth) === FAULT) faults.push('degraded bandwidth');
  if (field(mask, MASK.routeRecovery) === FAULT) faults.push('route recovery in progress');
  if (field(mask, MASK.routeUnhealthy) === FAULT) faults.push('route unhealthy');
  if (field(mask, MASK.accessTimeoutRecovery) === FAULT) faults.push('access timeout recovery in progress');
  // 0 not supported, 1 none, anything else names what is wrong.
  if (field(mask, MASK.incorrectConfiguration) >= 2) faults.push('incorrect configuration');
  return faults;
}

function isUnhealthyMask(mask: number): boolean {
  return field(mask, MASK.routeUnhealthy) === FAULT || field(mask, MASK.incorrectConfiguration) >= 2;
}

export function stepFabric(state: Fabric, device: GpuDeviceFacts, policy: GpuPolicy): Fabric {
  const { fabricState, fabricStatus, fabricHealth, mediumAtMs } = device;
  const hold = { enterMs: policy.fabricHoldMs, leaveMs: 0, gapMs: 120_000 };
  const step = (held: Sustained, fault: boolean | null): Sustained =>
    stepSustained(held, fault === null ? null : { enter: fault, leave: !fault }, mediumAtMs, hold);
  const supported = fabricState !== null && fabricState !== NOT_SUPPORTED;
  const completed = fabricState === COMPLETED;
  return {
    notReady: step(state.notReady, fabricState === null ? null : supported && !completed),
    failed: step(state.failed, fabricStatus === null ? null : completed && fabricStatus !== 0),
    unhealthy: step(
      state.unhealthy,
      fabricHealth === null ? null : completed && isUnhealthyMask(fabricHealth),
    ),
    degraded: step(
      state.degraded,
      fabricHealth === null
        ? null
        : completed && fabricFaults(fabricHealth).length > 0 && !isUnhealthyMask(fabricHealth),
    ),
  };
}

export function judgeFabric(state: Fabric, device: GpuDeviceFacts): readonly RawFinding[] {
  const faults = fabricFaults(device.fabricHealth ?? 0).join(', ');
  const findings: RawFinding[] = [];
  if (state.notReady.active) {
    findings.push({
      code: 'gpu.fabric_not_ready',
      severity: 'unhealthy',
      action: 'contact',
      message: 'The GPU is not registered with the NVSwitch fabric: is the fabric manager running?',
      sinceMs: state.notReady.sinceMs,
    });
  }
  if (state.failed.active) {
    findings.push({
      code: 'gpu.fabric_failed',
      severity: 'unhealthy',
      action: 'contact',
      message: `Registration with the NVSwitch fabric failed with code ${device.fabricStatus ?? 'unknown'}`,
      sinceMs: state.failed.sinceMs,
    });
  }
  if (state.unhealthy.active) {
    findings.push({
      code: 'gpu.fabric_unhealthy',
      severity: 'unhealthy',
      action: 'contact',
      message: `NVSwitch fabric: ${faults}`,
      sinceMs: state.unhealthy.sinceMs,
    });
  }
  if (state.degraded.active) {
    findings.push({
      code: 'gpu.fabric_degraded',
      severity: 'degraded',
      action: 'watch',
      message: `NVSwitch fabric: ${faults}`,
      sinceMs: state.degraded.sinceMs,
    });
  }
  return findings;
}
