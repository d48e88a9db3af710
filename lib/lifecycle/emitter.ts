import { EventEmitter } from 'node:events';
import type { StallView } from '../dialects/view.js';
import type { GpuFinding } from '../gpu/finding.js';
import type { Status } from '../status/types.js';
import type { Reason } from '../status/verdict.js';

/** What `health.status()` returns and the `status` event carries. */
export interface HealthStatus {
  readonly phase: string;
  readonly live: boolean;
  readonly ready: boolean;
  readonly startup: boolean;
  readonly health: Exclude<Status, 'unknown'>;
  readonly reasons: readonly Pick<Reason, 'component' | 'code' | 'message'>[];
}

/** GPU faults that withdraw readiness. */
export interface GpuFailure {
  /** Whether a restart of this process would cure all of them. */
  readonly restartHelps: boolean;
  readonly findings: readonly Pick<GpuFinding, 'code' | 'uuid' | 'index' | 'action' | 'message'>[];
}

/** Events of a `Health` handle. */
export interface HealthEvents {
  /** The verdict changed. */
  status: [status: HealthStatus];
  /** The main thread was blocked for longer than `stallStackAfterMs`; delivered once it turns again. */
  stall: [stall: StallView];
  /** GPU faults have withdrawn readiness; `onGpuFailure` acts after the listeners. */
  gpuFailure: [failure: GpuFailure];
  /** The process began to drain. */
  drain: [];
}

export type HealthEmitter = EventEmitter<HealthEvents>;

export function createEmitter(): HealthEmitter {
  return new EventEmitter<HealthEvents>();
}
