import type { FinishReason, Outcome, WorkerRef } from './types.js';

/** What the migrator must know of a request; one migrator a choice. */
export interface MigrationRequest {
  readonly promptTokens: number;
  /** Tokens after which the choice ends by itself; null: none known. */
  readonly maxTokens: number | null;
  /** Tokens that end a choice. */
  readonly endTokens: readonly number[];
  /** False: what has been generated cannot be replayed (a parameter that no worker's replay contract covers). */
  readonly isReplayable: boolean;
  /** Monotonic milliseconds; null: none. */
  readonly deadlineMs: number | null;
}

export interface MigrationLimits {
  /** Migrations of one choice within a minute; 0 turns migration off. Default 3. */
  readonly migrationLimit: number;
  /** Migrations in its life, planned ones included. Default 10. */
  readonly lifeLimit: number;
  /** Longest prompt and log together, in tokens, that still moves; null: any. */
  readonly maxSeqLen: number | null;
  /** First wait before a further attempt; doubles up to `backoffCapMs`. After a worker that gave tokens, and after the first, there is none. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A worker that is lost before this many tokens came from it may have been killed by the request. */
  readonly poisonTokens: number;
  /** After so many such workers at the same length of the log, or one more at any, the request counts as poison. Default 2. */
  readonly poisonWorkers: number;
}

export const DEFAULT_LIMITS: MigrationLimits = {
  migrationLimit: 3,
  lifeLimit: 10,
  maxSeqLen: null,
  backoffBaseMs: 25,
  backoffCapMs: 1000,
  poisonTokens: 8,
  poisonWorkers: 2,
};

/** Longest silence of an attempt: before its first sign of progress and after. Milliseconds. */
export interface Patience {
  readonly firstMs: number;
  readonly nextMs: number;
}

export type Purpose = 'first' | 'retry' | 'hedge' | 'planned';

export type MigrationEvent = { readonly atMs: number } & (
  | { readonly type: 'start' }
  /** Answer to `pick`. Where neither `dispatch` nor `warm` comes back, the worker is no longer wanted. */
  | { readonly type: 'picked'; readonly ref: WorkerRef; readonly patience: Patience }
  /** Answer to `pick`: nobody can take it. */
  | { readonly type: 'no_worker' }
  /** A sign of life of an attempt without a token: a piece of the prefill, a place in the queue. */
  | { readonly type: 'progress'; readonly epoch: number }
  /** @param length tokens of the choice as the worker counts them, replayed ones included */
  | {
      readonly type: 'finish';
      readonly epoch: number;
      readonly reason: FinishReason;
      readonly length: number;
    }
  | {
      readonly type: 'failed';
      readonly epoch: number;
      readonly outcome: Outcome;
      /** What an overloaded worker asked for. */
      readonly retryAfterMs?: number;
      readonly random: number;
    }
  /** The worker is silent; nothing is lost yet. */
  | { readonly type: 'suspect'; readonly ref: WorkerRef }
  /** The worker drains: move while it still streams. */
  | { readonly type: 'leaving'; readonly ref: WorkerRef }
  /** Answer to `warm`: the new worker holds the prefix. */
  | { readonly type: 'warmed'; readonly ref: WorkerRef }
  | { readonly type: 'warm_failed'; readonly ref: WorkerRef }
  /** The text is complete: a stop string matched above the log. */
  | { readonly type: 'stopped' }
  | { readonly type: 'cancel' }
  /** A timer has come; see `nextTimerMs`. */
  | { readonly type: 'tick'; readonly random: number }
);

export type MigrationEffect =
  | { readonly type: 'pick'; readonly purpose: Purpose; readonly excluded: readonly WorkerRef[] }
  /** Send the request with the log so far; the answer's positions begin at `startSeq`. */
  | {
      readonly type: 'dispatch';
      readonly epoch: number;
      readonly ref: WorkerRef;
      readonly startSeq: number;
      readonly purpose: Purpose;
    }
  /** Let the worker prefill prompt and log, and generate nothing. */
  | { readonly type: 'warm'; readonly ref: WorkerRef }
  /** Best effort: end an attempt whose frames no longer count. */
  | { readonly type: 'kill'; readonly epoch: number; readonly ref: WorkerRef }
  /** How an attempt ended, for the worker's record. */
  | { readonly type: 'outcome'; readonly epoch: number; readonly ref: WorkerRef; readonly outcome: Outcome }
  | {
      readonly type: 'migrated';
      readonly from: WorkerRef;
      readonly outcome: Outcome;
      readonly replayedTokens: number;
    }
  /** These workers were lost to this request: their strikes are to be taken back, the request goes into quarantine. */
  | { readonly type: 'poison'; readonly workers: readonly WorkerRef[] }
  | { readonly type: 'end'; readonly end: MigrationEnd };

/** Exactly one a choice. */
export type MigrationEnd =
  | { readonly kind: 'finished'; readonly reason: FinishReason; readonly isLocal: boolean }
  | { readonly kind: 'failed'; readonly outcome: Outcome | 'poison'; readonly why: string };

/** Withdraws one retry; false: none is left. */
export type Withdraw = (atMs: number) => boolean;
