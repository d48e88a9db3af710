/** Where one choice stands on its way, and the steps of which everything that happens to it is made. */
import {
  DEFAULT_LIMITS,
  type MigrationEffect,
  type MigrationEnd,
  type MigrationLimits,
  type MigrationRequest,
  type Patience,
  type Purpose,
  type Withdraw,
} from './migrator-types.js';
import { createSuspicion, type Suspicion } from './suspicion.js';
import { createTokenLog, type TokenLog } from './token-log.js';
import type { Outcome, WorkerRef } from './types.js';
import { isSame } from './worker-ref.js';

export interface MigratorOptions {
  readonly request: MigrationRequest;
  readonly limits?: Partial<MigrationLimits>;
  /** The pool's retry budget. Default: endless. */
  readonly retryBudget?: Withdraw;
  /** The pool's budget for hedged starts. Default: none. */
  readonly hedgeBudget?: Withdraw;
  /** Shared by the choices of a request. */
  readonly suspicion?: Suspicion;
  /** Whether another choice of the request has only just begun at that worker. */
  readonly hasSibling?: (ref: WorkerRef) => boolean;
}

export interface Attempt {
  readonly epoch: number;
  readonly ref: WorkerRef;
  readonly purpose: Purpose;
  readonly patience: Patience;
  lastProgressMs: number;
  hasProgress: boolean;
  tokens: number;
  /** Its worker drains. */
  isLeaving: boolean;
}

/** Mutable for the same reason as the token log. */
export interface MigrationRun {
  readonly request: MigrationRequest;
  readonly limits: MigrationLimits;
  readonly mayRetry: Withdraw;
  readonly mayHedge: Withdraw;
  readonly hasSibling: (ref: WorkerRef) => boolean;
  readonly log: TokenLog;
  attempts: Attempt[];
  effects: MigrationEffect[];
  end: MigrationEnd | null;
  lastEpoch: number;
  /** What the answer to `pick` is for; null: no question is open. */
  picking: Purpose | null;
  retryAtMs: number;
  /** Who prefills for a planned move. */
  warming: { readonly ref: WorkerRef; readonly patience: Patience } | null;
  readonly excluded: WorkerRef[];
  readonly migratedAtMs: number[];
  /** Outcomes after which a choice may go on once. */
  readonly usedOnce: Set<Outcome>;
  readonly suspicion: Suspicion;
  isFirstUnsentFree: boolean;
  /** It has lost a worker behind its first token. */
  hasLost: boolean;
  /** Losses in a row, of which only the first may have given tokens. */
  fruitless: number;
  lastOutcome: Outcome | null;
}

export function createRun(options: MigratorOptions): MigrationRun {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  return {
    request: options.request,
    limits,
    mayRetry: options.retryBudget ?? (() => true),
    mayHedge: options.hedgeBudget ?? (() => false),
    hasSibling: options.hasSibling ?? (() => false),
    log: createTokenLog(),
    attempts: [],
    effects: [],
    end: null,
    lastEpoch: -1,
    picking: null,
    retryAtMs: Number.POSITIVE_INFINITY,
    warming: null,
    excluded: [],
    migratedAtMs: [],
    usedOnce: new Set(),
    suspicion: options.suspicion ?? createSuspicion(limits.poisonWorkers),
    isFirstUnsentFree: true,
    hasLost: false,
    fruitless: 0,
    lastOutcome: null,
  };
}

export function put(run: MigrationRun, effect: MigrationEffect): void {
  run.effects.push(effect);
}

/** Every dispatch gets exactly one outcome. */
export function kill(run: MigrationRun, { epoch, ref }: Attempt, outcome: Outcome): void {
  put(run, { type: 'kill', epoch, ref });
  put(run, { type: 'outcome', epoch, ref, outcome });
}

export function close(run: MigrationRun, result: MigrationEnd, left: Outcome = 'cancelled'): void {
  for (const attempt of run.attempts) kill(run, attempt, left);
  run.attempts = [];
  run.picking = null;
  run.warming = null;
  run.retryAtMs = Number.POSITIVE_INFINITY;
  run.end = result;
  run.log.fence(run.lastEpoch + 1);
  put(run, { type: 'end', end: result });
}

export function pick(run: MigrationRun, purpose: Purpose): void {
  run.picking = purpose;
  put(run, { type: 'pick', purpose, excluded: [...run.excluded] });
}

export function dispatch(
  run: MigrationRun,
  atMs: number,
  ref: WorkerRef,
  patience: Patience,
  purpose: Purpose,
): void {
  const epoch = ++run.lastEpoch;
  if (run.attempts.length > 0) run.log.race(epoch);
  else run.log.fence(epoch);
  run.attempts.push({
    ...{ epoch, ref, purpose, patience },
    ...{ lastProgressMs: atMs, hasProgress: false, tokens: 0, isLeaving: false },
  });
  put(run, { type: 'dispatch', epoch, ref, startSeq: run.log.length, purpose });
}

/** Whether nothing but the finish frame is missing. */
export function finishLocally(run: MigrationRun): boolean {
  const isFull = run.request.maxTokens !== null && run.log.length >= run.request.maxTokens;
  const isEnded = run.log.length > 0 && run.request.endTokens.includes(run.log.tokenAt(run.log.length - 1));
  if (!isFull && !isEnded) return false;
  // What still runs has nothing left to send but its finish frame.
  close(run, { kind: 'finished', reason: isEnded ? 'stop' : 'length', isLocal: true }, 'success');
  return true;
}

export function exclude(run: MigrationRun, ref: WorkerRef): void {
  if (!run.excluded.some((other) => isSame(other, ref))) run.excluded.push(ref);
}

export function countMigration(
  run: MigrationRun,
  atMs: number,
  from: WorkerRef,
  outcome: Outcome,
  replayedTokens: number,
): void {
  run.migratedAtMs.push(atMs);
  put(run, { type: 'migrated', from, outcome, replayedTokens });
}
