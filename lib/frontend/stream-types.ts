import type { ClientEvent, Usage } from '../fleet/logical-request.js';
import type { MigrationLimits, Withdraw } from '../fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import type { CompletionRequest } from '../worker/request.js';
import type { MigrationMode } from './foreign-log.js';
import type { WorkerPool } from './pool.js';

export interface StreamPorts {
  readonly pool: WorkerPool;
  readonly limits: Partial<MigrationLimits>;
  readonly retryBudget: Withdraw;
  readonly hedgeBudget: Withdraw;
  now(): number;
  random(): number;
  log(fields: object, message: string): void;
  onMigrated(outcome: Outcome, mode: MigrationMode): void;
  onPoison(workers: readonly WorkerRef[]): void;
  onToken(): void;
  /** All that has come at once has been dealt with; by then the stream may have ended. */
  onTurn(): void;
  /** In order; the last one is `end` or `error`. */
  client(event: ClientEvent, message: string): void;
}

export interface RunningStream {
  readonly id: string;
  readonly usage: Usage;
  /** How it moves, as far as is known by now. */
  readonly mode: MigrationMode;
  nextTimerMs(): number;
  tick(): void;
  suspect(ref: WorkerRef): void;
  leaving(ref: WorkerRef): void;
  /** What runs there is over. */
  lost(ref: WorkerRef, outcome: Outcome, why: string): void;
  progress(ref: WorkerRef): void;
  cancel(): void;
}

export interface StreamRequest {
  readonly id: string;
  /** With the model that answers it, wherever it goes. */
  readonly request: CompletionRequest;
  /** Checked; null: none. */
  readonly traceparent: string | null;
  /** Monotonic milliseconds by which it is to have ended; absent: at any time. */
  readonly deadlineMs?: number;
}
