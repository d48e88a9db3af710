import type { GpuFacts, GpuNoneReason } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { QUIET, type Sustained, stepSustained } from './sustained.js';

/** The driver and the container's access to it, as opposed to a single GPU. */
export interface Driver {
  /** It has answered at least once. */
  readonly everOk: boolean;
  readonly mismatchSinceMs: number | null;
  readonly accessLostSinceMs: number | null;
  readonly goneSinceMs: number | null;
  readonly noneSinceMs: number | null;
  readonly helperFailedSinceMs: number | null;
  /** Every device answers with an error that names no cause. */
  readonly refusing: Sustained;
}

export const NO_DRIVER: Driver = {
  everOk: false,
  mismatchSinceMs: null,
  accessLostSinceMs: null,
  goneSinceMs: null,
  noneSinceMs: null,
  helperFailedSinceMs: null,
  refusing: QUIET,
};

const RETURN = { operatingSystem: 17, unknown: 999 } as const;
const REFUSING_MS = 2000;

const NONE_TEXT: Readonly<Record<GpuNoneReason, string>> = {
  library_missing: 'libnvidia-ml.so.1 was not found',
  driver_not_loaded: 'the NVIDIA driver is not loaded',
  no_device_nodes: 'there are no /dev/nvidia* nodes',
  version_mismatch: 'driver and library versions differ',
  access_lost: 'access to the device nodes is refused',
  init_failed: 'NVML could not be initialized',
};

export function noneText(reason: GpuNoneReason | null): string {
  return reason === null ? 'the driver lists none' : NONE_TEXT[reason];
}

export function stepDriver(state: Driver, facts: GpuFacts): Driver {
  const { atMs, noneReason, gpus } = facts;
  const since = (before: number | null, now: boolean | null): number | null =>
    now === null ? before : now ? (before ?? atMs) : null;
  const isNone = facts.state === 'none';
  const answering = gpus.filter(({ isMig, present }) => !isMig && present);
  const refused =
    answering.length > 0 &&
    answering.every(
      ({ lastReturn }) => lastReturn === RETURN.unknown || lastReturn === RETURN.operatingSystem,
    );
  return {
    everOk: state.everOk || facts.state === 'ok',
    mismatchSinceMs: since(
      state.mismatchSinceMs,
      isNone && noneReason === 'version_mismatch' ? true : facts.libraryMismatch,
    ),
    accessLostSinceMs: since(
      state.accessLostSinceMs,
      isNone && noneReason === 'access_lost' ? true : facts.accessLost,
    ),
    goneSinceMs: since(
      state.goneSinceMs,
      facts.state === 'ok' ? false : isNone && state.everOk ? true : null,
    ),
    noneSinceMs: since(state.noneSinceMs, isNone),
    helperFailedSinceMs: since(
      state.helperFailedSinceMs,
      facts.helper === 'ended' || facts.helper === 'cannot_start',
    ),
    refusing: stepSustained(
      state.refusing,
      facts.state === 'ok' ? { enter: refused, leave: !refused } : null,
      atMs,
      { enterMs: REFUSING_MS, leaveMs: 0, gapMs: Number.POSITIVE_INFINITY },
    ),
  };
}

/** `progresses`: the engine has completed GPU work that began after the driver stopped answering us. */
export function judgeDriver(
  state: Driver,
  facts: GpuFacts,
  policy: GpuPolicy,
  progresses: boolean,
): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  const isNone = facts.state === 'none';
  if (facts.state === 'unresponsive') {
    findings.push({
      code: 'gpu.driver_unresponsive',
      severity: progresses ? 'degraded' : 'unhealthy',
      action: 'reset',
      message: `The driver does not return from ${facts.stuckCall ?? 'a call'}${progresses ? '; the engine still makes progress' : ''}`,
      sinceMs: facts.stuckSinceMs ?? facts.atMs,
    });
  }
  if (facts.restartBlocked === true) {
    findings.push({
      code: 'gpu.restart_blocked',
      severity: 'degraded',
      action: 'reboot',
      message: `The ${facts.helper === undefined ? 'process' : 'container'} may not end while the driver does not return: a restart may hang`,
      sinceMs: facts.stuckSinceMs ?? facts.atMs,
    });
  }
  if (state.helperFailedSinceMs !== null) {
    findings.push({
      code: 'gpu.helper_failed',
      severity: 'degraded',
      action: 'watch',
      message: `The helper process that asks the driver ${facts.helper === 'ended' ? 'ended and is started anew' : 'cannot be started'}: GPUs are not watched`,
      sinceMs: state.helperFailedSinceMs,
    });
  }
  if (state.mismatchSinceMs !== null) {
    findings.push({
      code: 'gpu.driver_mismatch',
      severity: isNone && policy.mode === 'required' ? 'unhealthy' : 'degraded',
      action: 'reboot',
      message: 'Driver and library versions differ: what runs goes on, a restart will fail',
      sinceMs: state.mismatchSinceMs,
    });
  }
  const accessLostSinceMs =
    state.accessLostSinceMs ?? (state.refusing.active ? state.refusing.sinceMs : null);
  if (accessLostSinceMs !== null) {
    findings.push({
      code: 'gpu.access_lost',
      severity: isNone && policy.mode === 'required' ? 'unhealthy' : 'degraded',
      action: 'restart',
      message:
        'The container has lost access to its GPUs (a daemon reload does this): existing contexts go on, new ones fail',
      sinceMs: accessLostSinceMs,
    });
  }
  const explained = facts.noneReason === 'version_mismatch' || facts.noneReason === 'access_lost';
  if (isNone && state.goneSinceMs !== null && !explained) {
    findings.push({
      code: 'gpu.driver_unloaded',
      severity: 'unhealthy',
      action: 'contact',
      message: `The driver was there and is gone: ${noneText(facts.noneReason)}`,
      sinceMs: state.goneSinceMs,
    });
  } else if (isNone && !explained && (policy.mode === 'required' || facts.noneReason === 'init_failed')) {
    findings.push({
      code: 'gpu.none',
      severity: policy.mode === 'required' ? 'unhealthy' : 'degraded',
      action: 'contact',
      message: `No GPU: ${noneText(facts.noneReason)}`,
      sinceMs: state.noneSinceMs ?? facts.atMs,
    });
  }
  return findings;
}
