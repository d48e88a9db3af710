import type { GpuAction, GpuSeverity } from './actions.js';
import type { VisibleSources } from './visible-devices.js';

export interface XidOverride {
  /** Instead of the catalogue's. */
  readonly action?: GpuAction;
  readonly severity?: GpuSeverity;
  /** Only this many together call for the action; fewer degrade. */
  readonly threshold?: number;
}

/** Everything that decides what counts as a fault. Times in milliseconds, percentages 0 to 100, ratios 0 to 1. */
export interface GpuPolicy {
  readonly mode: 'auto' | 'required';
  readonly visible: VisibleSources;
  readonly xids: Readonly<Record<number, GpuAction | XidOverride>>;
  /** By finding code: another severity, or `ignore`. */
  readonly findings: Readonly<Record<string, GpuSeverity | 'ignore'>>;
  /** How long an application XID of unknown origin is shown after its last occurrence. */
  readonly applicationDecayMs: number;
  /** The same for XIDs that only warn. */
  readonly watchDecayMs: number;
  /** An application XID this near to an own engine error or to lost progress is ours. */
  readonly correlationMs: number;
  /** A GPU must answer this long after the evidence of a reset before its faults are forgotten. */
  readonly recoveryStableMs: number;
  /** Pieces of GPU work, begun after the fault, that must succeed before an own fault is forgotten. */
  readonly recoverySuccesses: number;
  /** This many processes that met application XIDs on one GPU within the window make it suspect. */
  readonly suspicion: { readonly processes: number; readonly windowMs: number };
  /** This many out-of-memory errors within the window need a restart; fewer degrade until `windowMs` has passed. */
  readonly oom: { readonly count: number; readonly windowMs: number };
  readonly memoryFull: {
    readonly enterPercent: number;
    readonly leavePercent: number;
    readonly holdMs: number;
  };
  readonly latch: { readonly utilPercent: number; readonly holdMs: number };
  readonly thermal: ThrottlePolicy;
  readonly hardwareSlowdown: ThrottlePolicy;
  /**
   * Counts only while less power is drawn than this part of what the limit would give in the throttled time: to be held
   * back by the limit is normal under load.
   */
  readonly power: ThrottlePolicy & { readonly belowLimitRatio: number };
  readonly nvlink: { readonly errorsPerMinute: number; readonly windowMs: number; readonly downMs: number };
  readonly pcie: { readonly replaysPerMinute: number; readonly windowMs: number; readonly widthMs: number };
  readonly fabricHoldMs: number;
  readonly leak: LeakPolicy;
}

export interface ThrottlePolicy {
  readonly windowMs: number;
  /** Part of the time spent throttled. */
  readonly enterRatio: number;
  readonly leaveRatio: number;
}

export interface LeakPolicy {
  readonly windowMinutes: number;
  /** In MiB per minute. */
  readonly growthMbPerMinute: number;
}

export const DEFAULT_GPU_POLICY: GpuPolicy = {
  mode: 'auto',
  visible: {},
  xids: {},
  findings: {},
  applicationDecayMs: 600_000,
  watchDecayMs: 3_600_000,
  correlationMs: 30_000,
  recoveryStableMs: 30_000,
  recoverySuccesses: 3,
  suspicion: { processes: 3, windowMs: 86_400_000 },
  oom: { count: 3, windowMs: 60_000 },
  // Engines that reserve their KV cache up front fill 90 to 97 % for as long as they live.
  memoryFull: { enterPercent: 98, leavePercent: 96, holdMs: 30_000 },
  latch: { utilPercent: 95, holdMs: 60_000 },
  thermal: { windowMs: 300_000, enterRatio: 0.25, leaveRatio: 0.05 },
  hardwareSlowdown: { windowMs: 60_000, enterRatio: 0.1, leaveRatio: 0.01 },
  power: { windowMs: 300_000, enterRatio: 0.5, leaveRatio: 0.1, belowLimitRatio: 0.85 },
  nvlink: { errorsPerMinute: 60, windowMs: 300_000, downMs: 20_000 },
  pcie: { replaysPerMinute: 8, windowMs: 600_000, widthMs: 120_000 },
  fabricHoldMs: 30_000,
  // BitNet.rs's threshold.
  leak: { windowMinutes: 60, growthMbPerMinute: 10 },
};
