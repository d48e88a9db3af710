import { noneText } from './driver.js';
import type { GpuFinding } from './finding.js';
import type { GpuPolicyState } from './policy.js';

/** What the `gpu` component says; null in mode `auto` on a host without a GPU, where it does not exist. */
export interface GpuComponent {
  readonly status: 'healthy' | 'degraded' | 'unhealthy' | 'unknown';
  readonly reason: string | null;
  readonly message: string;
  /** Readiness must be withdrawn. A degraded GPU that still works does not do that. */
  readonly gating: boolean;
  /** Whether a restart of this process would cure all that gates; null while nothing gates. */
  readonly restartHelps: boolean | null;
  readonly sinceMs: number | null;
}

/** Folds the findings into one component; GPUs that this process does not use never count. */
export function gpuComponent(state: GpuPolicyState, findings: readonly GpuFinding[]): GpuComponent | null {
  const { facts, selection, devices } = state;
  const ours = findings.filter(({ used }) => used);
  const gating = ours.filter((finding) => finding.gating);
  const worst = gating[0] ?? ours.find(({ severity }) => severity === 'unhealthy') ?? ours[0];
  if (worst !== undefined) {
    const more = ours.length > 1 ? ` (and ${ours.length - 1} more)` : '';
    const where = worst.index === null ? '' : `GPU ${worst.index}: `;
    return {
      status: worst.severity,
      reason: worst.code,
      message: `${where}${worst.message}${more}`,
      gating: gating.length > 0,
      restartHelps: gating.length === 0 ? null : gating.every(({ restartHelps }) => restartHelps),
      sinceMs: worst.sinceMs,
    };
  }
  if (facts === null || facts.state === 'off') return null;
  const quiet = { gating: false, restartHelps: null, sinceMs: null };
  switch (facts.state) {
    case 'none':
      return state.policy.mode === 'auto'
        ? null
        : {
            status: 'unhealthy',
            reason: 'gpu.none',
            message: `No GPU: ${noneText(facts.noneReason)}`,
            ...quiet,
          };
    case 'starting':
      return { status: 'unknown', reason: 'gpu.starting', message: 'The driver is being asked', ...quiet };
    case 'released':
      return { status: 'unknown', reason: 'gpu.released', message: 'GPU handles are released', ...quiet };
    case 'unresponsive':
    case 'ok': {
      const used = Object.values(devices)
        .map(({ facts: device }) => device)
        .filter(({ uuid, isMig }) => !isMig && selection.used.has(uuid))
        .map(({ index }) => index);
      const message =
        used.length === 0
          ? 'No GPU is used by this process'
          : `GPU available: CUDA device${used.length > 1 ? 's' : ''} ${used.join(', ')}`;
      return { status: 'healthy', reason: null, message, ...quiet };
    }
  }
}
