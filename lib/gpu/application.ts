import type { GpuErrorKind } from './app-error.js';
import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';

/** What the application reported: errors of its engine, work that succeeded, and whether it makes progress. */
export interface Application {
  /** Out-of-memory errors in the window. */
  readonly oomAtMs: readonly number[];
  /** Library errors without a cause, in the window. */
  readonly internalAtMs: readonly number[];
  readonly poisoned: Poisoned | null;
  readonly unavailable: Report | null;
  /** Times of what makes an application XID nearby our own. */
  readonly troubleAtMs: readonly number[];
  /** Latest pieces of GPU work that succeeded: when each began. */
  readonly successesBeganAtMs: readonly number[];
  readonly progressLostSinceMs: number | null;
  /** When the engine last had a new start, or proved otherwise that what it met is behind it. */
  readonly recoveredAtMs: number | null;
}

interface Report {
  readonly atMs: number;
  readonly message: string;
  readonly uuid: string | null;
}

interface Poisoned extends Report {
  readonly kind: GpuErrorKind;
  readonly sinceMs: number;
}

export const NO_APPLICATION: Application = {
  oomAtMs: [],
  internalAtMs: [],
  poisoned: null,
  unavailable: null,
  troubleAtMs: [],
  successesBeganAtMs: [],
  progressLostSinceMs: null,
  recoveredAtMs: null,
};

export interface ApplicationError {
  readonly atMs: number;
  readonly kind: GpuErrorKind;
  readonly message: string;
  /** The GPU that it happened on; null if neither the error nor the configuration tells. */
  readonly uuid: string | null;
}

const MAX_TROUBLES = 16;
/** No stall is noticed sooner after the one before it. */
const SAME_SILENCE_MS = 1000;
/** cuBLAS and cuDNN fail so after the context was lost, too: this many in a row are no accident. */
const INTERNAL_LIMIT = 3;

export function stepError(state: Application, error: ApplicationError, policy: GpuPolicy): Application {
  const { atMs, kind } = error;
  const recent = (times: readonly number[]): readonly number[] =>
    [...times.filter((time) => atMs - time < policy.oom.windowMs), atMs].slice(-MAX_TROUBLES);
  switch (kind) {
    case 'oom':
      return { ...state, oomAtMs: recent(state.oomAtMs) };
    case 'internal': {
      const internalAtMs = recent(state.internalAtMs);
      const next = { ...state, internalAtMs };
      return internalAtMs.length >= INTERNAL_LIMIT ? poison(next, error) : next;
    }
    case 'unavailable':
      return { ...state, unavailable: error };
    case 'illegal_access':
    case 'device_assert':
    case 'launch_failed':
    case 'timeout':
    case 'ecc':
    case 'lost':
      return poison(state, error);
  }
}

function poison(state: Application, error: ApplicationError): Application {
  return {
    ...state,
    poisoned: { ...error, sinceMs: state.poisoned?.sinceMs ?? error.atMs },
    troubleAtMs: [...state.troubleAtMs, error.atMs].slice(-MAX_TROUBLES),
  };
}

/** Work that began before a fault may still have used what the fault spoiled: only work begun after it proves anything. */
export function stepSuccess(state: Application, beganAtMs: number, policy: GpuPolicy): Application {
  const successesBeganAtMs = [...state.successesBeganAtMs, beganAtMs].slice(-policy.recoverySuccesses);
  const proves = (report: Report | null): boolean =>
    report !== null &&
    successesBeganAtMs.length >= policy.recoverySuccesses &&
    successesBeganAtMs.every((began) => began > report.atMs);
  const lastOom = state.oomAtMs.at(-1);
  return {
    ...state,
    successesBeganAtMs,
    poisoned: proves(state.poisoned) ? null : state.poisoned,
    unavailable: proves(state.unavailable) ? null : state.unavailable,
    oomAtMs: lastOom !== undefined && proves({ atMs: lastOom, message: '', uuid: null }) ? [] : state.oomAtMs,
    progressLostSinceMs: null,
  };
}

/** What a context met ends with the context; trouble before it explains no XID that comes later. */
export function stepRecovered(state: Application, atMs: number): Application {
  return { ...NO_APPLICATION, successesBeganAtMs: state.successesBeganAtMs, recoveredAtMs: atMs };
}

export function stepProgressLost(state: Application, atMs: number): Application {
  // The same silence again: reports of it come as long as it lasts.
  if (state.progressLostSinceMs !== null && atMs - state.progressLostSinceMs < SAME_SILENCE_MS) return state;
  return {
    ...state,
    progressLostSinceMs: atMs,
    troubleAtMs: [...state.troubleAtMs, atMs].slice(-MAX_TROUBLES),
  };
}

/** Memory that was exhausted and is free again: without traffic no success can prove it. */
export function stepRelief(
  state: Application,
  used: readonly GpuDeviceFacts[],
  policy: GpuPolicy,
  atMs: number,
): Application {
  const last = state.oomAtMs.at(-1);
  if (last === undefined || atMs - last < policy.oom.windowMs) return state;
  const stillFull = used.some(
    ({ memUsedBytes, memTotalBytes }) =>
      memUsedBytes !== null &&
      memTotalBytes !== null &&
      memUsedBytes > (memTotalBytes * policy.memoryFull.leavePercent) / 100,
  );
  const repeated = state.oomAtMs.length >= policy.oom.count;
  return repeated && stillFull ? state : { ...state, oomAtMs: [] };
}

export interface ApplicationFinding extends RawFinding {
  readonly uuid: string | null;
}

export function judgeApplication(
  state: Application,
  policy: GpuPolicy,
  atMs: number,
): readonly ApplicationFinding[] {
  const findings: ApplicationFinding[] = [];
  const { poisoned, unavailable, oomAtMs, internalAtMs } = state;
  if (poisoned !== null) {
    findings.push({
      code: poisoned.kind === 'lost' ? 'gpu.lost' : 'gpu.context_poisoned',
      severity: 'unhealthy',
      action: poisoned.kind === 'lost' ? 'reboot' : 'restart',
      message: `The engine reported: ${poisoned.message}`,
      sinceMs: poisoned.sinceMs,
      uuid: poisoned.uuid,
    });
  }
  const firstOom = oomAtMs[0];
  if (firstOom !== undefined) {
    const repeated = oomAtMs.length >= policy.oom.count;
    findings.push({
      code: 'gpu.oom',
      severity: repeated ? 'unhealthy' : 'degraded',
      action: repeated ? 'restart' : 'watch',
      message: `GPU memory exhausted ${oomAtMs.length === 1 ? 'once' : `${oomAtMs.length} times`}`,
      sinceMs: firstOom,
      uuid: null,
    });
  }
  if (unavailable !== null) {
    findings.push({
      code: 'gpu.engine_without_gpu',
      severity: 'degraded',
      action: 'restart',
      message: `The engine reported: ${unavailable.message}`,
      sinceMs: unavailable.atMs,
      uuid: unavailable.uuid,
    });
  }
  const internal = internalAtMs.filter((time) => atMs - time < policy.oom.windowMs);
  const firstInternal = internal[0];
  if (firstInternal !== undefined && poisoned === null) {
    findings.push({
      code: 'gpu.library_error',
      severity: 'degraded',
      action: 'watch',
      message: `A CUDA library failed without a cause, ${internal.length} times in the last minute`,
      sinceMs: firstInternal,
      uuid: null,
    });
  }
  return findings;
}
