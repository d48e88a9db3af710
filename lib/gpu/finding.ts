import type { GpuAction, GpuSeverity } from './actions.js';

/** One thing that is wrong now. */
export interface GpuFinding {
  /** `gpu.<condition>`, `gpu.xid.<n>`; see `docs/gpu.md`. */
  readonly code: string;
  /** Null where it concerns the driver or all GPUs. */
  readonly uuid: string | null;
  readonly index: number | null;
  /** This process uses the GPU. */
  readonly used: boolean;
  readonly severity: GpuSeverity;
  /** What cures it. */
  readonly action: GpuAction;
  /** False: a restarted process meets the same fault. */
  readonly restartHelps: boolean;
  /** Readiness must be withdrawn. */
  readonly gating: boolean;
  readonly message: string;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
}

/** A finding before it is known whose GPU it is about. */
export interface RawFinding {
  readonly code: string;
  readonly severity: GpuSeverity;
  readonly action: GpuAction;
  readonly message: string;
  readonly sinceMs: number;
  /** Where it differs from "exactly what is unhealthy gates". */
  readonly gates?: boolean;
}
