/**
 * Carries one choice from worker to worker until it has ended once. Mutable for the same reason as the token log; time and
 * random numbers come with the events. See docs/fleet/migrator.md.
 */
import { fail, finish } from './migration-loss.js';
import { endRace, hedge, leave, picked, warmed } from './migration-moves.js';
import {
  type Attempt,
  close,
  createRun,
  type MigrationRun,
  type MigratorOptions,
  pick,
  put,
} from './migration-run.js';
import type { MigrationEffect, MigrationEnd, MigrationEvent } from './migrator-types.js';
import type { TokenLog } from './token-log.js';
import { isSame } from './worker-ref.js';

export type { MigratorOptions } from './migration-run.js';

export interface Migrator {
  readonly log: TokenLog;
  migrations(): number;
  /** Attempts that are under way, 0 to 2. */
  attempts(): readonly Readonly<Attempt>[];
  /** Null: it goes on. */
  end(): MigrationEnd | null;
  /**
   * A token from a worker. True: the log is one longer, hand the token on. In any case look at the effects, of which there
   * nearly always are none.
   */
  frame(atMs: number, epoch: number, seq: number, tokenId: number): boolean;
  /** Effects of the last `frame`; empties the list. */
  takeEffects(): readonly MigrationEffect[];
  step(event: MigrationEvent): readonly MigrationEffect[];
  /** When the next `tick` is due; Infinity: never. */
  nextTimerMs(): number;
}

const NONE: readonly MigrationEffect[] = [];

const silentUntilMs = ({ hasProgress, lastProgressMs, patience }: Attempt): number =>
  lastProgressMs + (hasProgress ? patience.nextMs : patience.firstMs);

export function createMigrator(options: MigratorOptions): Migrator {
  const run = createRun(options);
  const { log, request } = run;
  return {
    log,
    migrations: () => run.migratedAtMs.length,
    attempts: () => run.attempts,
    end: () => run.end,
    frame(atMs, epoch, seq, tokenId) {
      if (run.end !== null) return false;
      const hadRival = log.rival !== -1;
      const result = log.append(epoch, seq, tokenId);
      if (result === 'late') return false;
      const { attempts } = run;
      const attempt = attempts.length === 1 ? attempts[0] : attempts.find((each) => each.epoch === epoch);
      if (attempt === undefined || attempt.epoch !== epoch) return false;
      noteProgress(attempt, atMs);
      if (result === 'appended') {
        attempt.tokens += 1;
        if (hadRival) endRace(run, attempt);
        // What was not to be risked, or has lost its race, may leave now.
        if (attempt.isLeaving && (hadRival || attempt.tokens === 1)) leave(run, attempt.ref);
        return true;
      }
      if (result === 'gap' || result === 'diverged') {
        put(run, { type: 'kill', epoch, ref: attempt.ref });
        fail(run, atMs, attempt, result, 0);
      }
      return false;
    },
    takeEffects: () => takeEffects(run),
    step(event) {
      if (run.end === null) apply(run, event);
      return takeEffects(run);
    },
    nextTimerMs() {
      if (run.end !== null) return Number.POSITIVE_INFINITY;
      let next = Math.min(request.deadlineMs ?? Number.POSITIVE_INFINITY, run.retryAtMs);
      for (const attempt of run.attempts) next = Math.min(next, silentUntilMs(attempt));
      return next;
    },
  };
}

function apply(run: MigrationRun, event: MigrationEvent): void {
  const { atMs } = event;
  switch (event.type) {
    case 'start':
      pick(run, 'first');
      return;
    case 'picked':
      picked(run, atMs, event.ref, event.patience);
      return;
    case 'no_worker':
      foundNobody(run);
      return;
    case 'progress': {
      const attempt = run.attempts.find(({ epoch }) => epoch === event.epoch);
      if (attempt !== undefined) noteProgress(attempt, atMs);
      return;
    }
    case 'finish':
      finish(run, atMs, event.epoch, event);
      return;
    case 'failed': {
      const attempt = run.attempts.find(({ epoch }) => epoch === event.epoch);
      if (attempt !== undefined) fail(run, atMs, attempt, event.outcome, event.random, event.retryAfterMs);
      return;
    }
    case 'suspect':
      hedge(run, atMs, event.ref);
      return;
    case 'leaving':
      leave(run, event.ref);
      return;
    case 'warmed':
      warmed(run, atMs, event.ref);
      return;
    case 'warm_failed':
      if (run.warming !== null && isSame(run.warming.ref, event.ref)) run.warming = null;
      return;
    case 'stopped':
      close(run, { kind: 'finished', reason: 'stop', isLocal: true }, 'success');
      return;
    case 'cancel':
      close(run, { kind: 'finished', reason: 'cancelled', isLocal: true });
      return;
    case 'tick':
      tick(run, atMs, event.random);
      return;
  }
}

function foundNobody(run: MigrationRun): void {
  const wasFor = run.picking;
  run.picking = null;
  // A hedge or a planned move that finds nobody leaves things as they are.
  if (run.attempts.length > 0 || wasFor === null) return;
  close(run, {
    kind: 'failed',
    outcome: run.lastOutcome === 'overloaded' ? 'overloaded' : 'no_workers',
    why: 'no worker can take the request',
  });
}

function tick(run: MigrationRun, atMs: number, random: number): void {
  if (run.request.deadlineMs !== null && atMs >= run.request.deadlineMs) {
    close(
      run,
      { kind: 'failed', outcome: 'deadline', why: 'the deadline of the request has passed' },
      'deadline',
    );
    return;
  }
  for (const attempt of [...run.attempts]) {
    if (run.end !== null || atMs < silentUntilMs(attempt)) continue;
    put(run, { type: 'kill', epoch: attempt.epoch, ref: attempt.ref });
    fail(run, atMs, attempt, 'stalled', random);
  }
  if (run.end === null && atMs >= run.retryAtMs) {
    run.retryAtMs = Number.POSITIVE_INFINITY;
    pick(run, 'retry');
  }
}

function noteProgress(attempt: Attempt, atMs: number): void {
  attempt.lastProgressMs = atMs;
  attempt.hasProgress = true;
}

function takeEffects(run: MigrationRun): readonly MigrationEffect[] {
  if (run.effects.length === 0) return NONE;
  const taken = run.effects;
  run.effects = [];
  return taken;
}
