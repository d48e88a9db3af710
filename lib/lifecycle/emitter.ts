import { EventEmitter } from 'node:events';
import type { StallView } from '../dialects/view.js';
import type { EngineDescription } from '../engine/dump.js';
import type { DeadCause, StallCause } from '../engine/policy-types.js';
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

/** An engine that is dead, or has been stalled for `liveStallMs` longer than its limit. */
export interface EngineFailure {
  readonly kind: 'dead' | 'stalled';
  readonly cause: DeadCause | StallCause;
  /** Reason code, as the probes show it. */
  readonly code: string;
  readonly message: string;
  /** When it began, in milliseconds of `performance.now()`'s clock as all threads share it (CLOCK_MONOTONIC). */
  readonly sinceMs: number;
  /** State of its processes at this moment. */
  readonly engine: EngineDescription;
}

/** Events of a `Health` handle. */
export interface HealthEvents {
  /** The verdict changed. */
  status: [status: HealthStatus];
  /** The main thread was blocked for longer than `stallStackAfterMs`; delivered once it turns again. */
  stall: [stall: StallView];
  /** GPU faults have withdrawn readiness; `onGpuFailure` acts after the listeners. */
  gpuFailure: [failure: GpuFailure];
  /** The engine has failed; `onEngineFailure` acts after the listeners. */
  engineFailure: [failure: EngineFailure];
  /** The process began to drain. */
  drain: [];
  /** New requests are refused from now on: probes have been told, and the lame duck is over. */
  refuse: [];
  /** The time for requests in flight is over: what is still unfinished should end now, each with an explicit error. */
  terminate: [termination: { readonly active: number; readonly reason: string }];
}

export type HealthEmitter = EventEmitter<HealthEvents>;

export function createEmitter(): HealthEmitter {
  return new EventEmitter<HealthEvents>();
}
