/**
 * Carries one choice from worker to worker until it has ended once. Mutable for the same reason as the token log; time and
 * random numbers come with the events. See docs/fleet/migrator.md.
 */
import { equalJitterMs } from './backoff.js';
import { outcomeClass } from './migratable.js';
import {
  DEFAULT_LIMITS,
  type MigrationEffect,
  type MigrationEnd,
  type MigrationEvent,
  type MigrationLimits,
  type MigrationRequest,
  type Patience,
  type Purpose,
  type Withdraw,
} from './migrator-types.js';
import { createTokenLog, type TokenLog } from './token-log.js';
import type { Outcome, WorkerRef } from './types.js';
import { isSame } from './worker-ref.js';

export interface Migrator {
  readonly log: TokenLog;
  readonly migrations: number;
  /** Attempts that are under way, 0 to 2. */
  readonly attempts: readonly Readonly<Attempt>[];
  readonly end: MigrationEnd | null;
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

export interface MigratorOptions {
  readonly request: MigrationRequest;
  readonly limits?: Partial<MigrationLimits>;
  /** The pool's retry budget. Default: endless. */
  readonly retryBudget?: Withdraw;
  /** The pool's budget for hedged starts. Default: none. */
  readonly hedgeBudget?: Withdraw;
  /** Workers that the request may have killed so far; shared by its choices. */
  readonly crashes?: WorkerRef[];
  /** Whether another choice of the request has only just begun at that worker. */
  readonly hasSibling?: (ref: WorkerRef) => boolean;
}

interface Attempt {
  readonly epoch: number;
  readonly ref: WorkerRef;
  readonly purpose: Purpose;
  readonly patience: Patience;
  lastProgressMs: number;
  hasProgress: boolean;
  tokens: number;
}

const MINUTE_MS = 60_000;
const NONE: readonly MigrationEffect[] = [];

const isRefused = (outcome: Outcome): boolean => outcome === 'connect' || outcome === 'not_sent';

export function createMigrator(options: MigratorOptions): Migrator {
  const { request } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const mayRetry = options.retryBudget ?? (() => true);
  const mayHedge = options.hedgeBudget ?? (() => false);
  const log = createTokenLog();
  let attempts: Attempt[] = [];
  let effects: MigrationEffect[] = [];
  let end: MigrationEnd | null = null;
  let lastEpoch = -1;
  /** What the answer to `pick` is for; null: no question is open. */
  let picking: Purpose | null = null;
  let retryAtMs = Number.POSITIVE_INFINITY;
  let warming: { readonly ref: WorkerRef; readonly patience: Patience } | null = null;
  const excluded: WorkerRef[] = [];
  const migratedAtMs: number[] = [];
  const usedOnce = new Set<Outcome>();
  const suspectedCrashes = options.crashes ?? [];
  let isFirstUnsentFree = true;
  /** It has lost a worker behind its first token. */
  let hasLost = false;
  let lastOutcome: Outcome | null = null;

  const put = (effect: MigrationEffect): void => void effects.push(effect);

  /** Every dispatch gets exactly one outcome. */
  function kill({ epoch, ref }: Attempt, outcome: Outcome): void {
    put({ type: 'kill', epoch, ref });
    put({ type: 'outcome', epoch, ref, outcome });
  }

  function close(result: MigrationEnd, left: Outcome = 'cancelled'): void {
    for (const attempt of attempts) kill(attempt, left);
    attempts = [];
    picking = null;
    warming = null;
    retryAtMs = Number.POSITIVE_INFINITY;
    end = result;
    log.fence(lastEpoch + 1);
    put({ type: 'end', end: result });
  }

  function pick(purpose: Purpose): void {
    picking = purpose;
    put({ type: 'pick', purpose, excluded: [...excluded] });
  }

  function dispatch(atMs: number, ref: WorkerRef, patience: Patience, purpose: Purpose): void {
    const epoch = ++lastEpoch;
    if (purpose === 'hedge') log.race(epoch);
    else log.fence(epoch);
    attempts.push({ epoch, ref, purpose, patience, lastProgressMs: atMs, hasProgress: false, tokens: 0 });
    put({ type: 'dispatch', epoch, ref, startSeq: log.length, purpose });
  }

  /** Whether nothing but the finish frame is missing. */
  function finishLocally(): boolean {
    const isFull = request.maxTokens !== null && log.length >= request.maxTokens;
    const isEnded = log.length > 0 && request.endTokens.includes(log.tokenAt(log.length - 1));
    if (!isFull && !isEnded) return false;
    // What still runs has nothing left to send but its finish frame.
    close({ kind: 'finished', reason: isEnded ? 'stop' : 'length', isLocal: true }, 'success');
    return true;
  }

  /** Why the choice cannot go on elsewhere; null: it can. */
  function obstacle(atMs: number, outcome: Outcome, isFree: boolean): string | null {
    const { migrate, isPaid } = outcomeClass(outcome);
    if (migrate === 'no') return `an attempt ended with ${outcome}`;
    if (migrate === 'once' && usedOnce.has(outcome)) return `${outcome} on a second worker`;
    if (isFree) return null;
    if (limits.migrationLimit === 0) return 'migration is off';
    if (log.length > 0 && !request.isReplayable) return 'what was generated cannot be replayed';
    if (limits.maxSeqLen !== null && request.promptTokens + log.length > limits.maxSeqLen)
      return `longer than ${limits.maxSeqLen} tokens`;
    if (migratedAtMs.length >= limits.lifeLimit) return `moved ${limits.lifeLimit} times`;
    const recent = migratedAtMs.filter((at) => atMs - at < MINUTE_MS).length;
    if (isPaid && recent >= limits.migrationLimit) return `moved ${limits.migrationLimit} times in a minute`;
    if (!isPaid) return null;
    // A worker takes all its streams with it at once, more than any budget has; and no stream is lost for the first time twice.
    if (log.length > 0 && !hasLost) hasLost = true;
    else if (!mayRetry(atMs)) return 'the retry budget is empty';
    return null;
  }

  function fail(atMs: number, attempt: Attempt, outcome: Outcome, random: number, retryAfterMs = 0): void {
    attempts = attempts.filter((other) => other !== attempt);
    put({ type: 'outcome', epoch: attempt.epoch, ref: attempt.ref, outcome });
    if (log.rival === attempt.epoch) log.endRace();
    const { isCrash, migrate } = outcomeClass(outcome);
    // Where nobody listens any more and another choice was, the worker died of it, whoever is told first.
    const isGone = isCrash || (isRefused(outcome) && options.hasSibling?.(attempt.ref) === true);
    if (isGone && attempt.tokens < limits.poisonTokens && convict(attempt.ref)) return;
    if (migrate !== 'no') exclude(attempt.ref);
    lastOutcome = outcome;
    // The other attempt of a race goes on alone.
    const [other] = attempts;
    if (other !== undefined) {
      if (other.purpose === 'hedge') countMigration(atMs, attempt.ref, outcome, log.length);
      log.fence(other.epoch);
      return;
    }
    if (finishLocally()) return;
    const isFree = outcome === 'not_sent' && isFirstUnsentFree;
    const why = obstacle(atMs, outcome, isFree);
    if (why !== null) {
      close({ kind: 'failed', outcome, why });
      return;
    }
    if (isFree) isFirstUnsentFree = false;
    else countMigration(atMs, attempt.ref, outcome, log.length);
    if (migrate === 'once') usedOnce.add(outcome);
    log.fence(lastEpoch + 1);
    // A planned move that was under way goes on as what it is now needed for.
    if (warming !== null) {
      takeWarm(atMs);
      return;
    }
    if (picking !== null) {
      picking = 'retry';
      return;
    }
    const waitMs = Math.max(backoffMs(random), Math.min(retryAfterMs, limits.backoffCapMs));
    if (waitMs > 0) retryAtMs = atMs + waitMs;
    else pick('retry');
  }

  function exclude(ref: WorkerRef): void {
    if (!excluded.some((other) => isSame(other, ref))) excluded.push(ref);
  }

  function countMigration(atMs: number, from: WorkerRef, outcome: Outcome, replayedTokens: number): void {
    migratedAtMs.push(atMs);
    put({ type: 'migrated', from, outcome, replayedTokens });
  }

  function takeWarm(atMs: number): void {
    if (warming === null) return;
    const { ref, patience } = warming;
    warming = null;
    dispatch(atMs, ref, patience, 'planned');
  }

  function backoffMs(random: number): number {
    const steps = migratedAtMs.length - 1;
    if (steps <= 0) return 0;
    return equalJitterMs(limits.backoffBaseMs, steps - 1, limits.backoffCapMs, random);
  }

  /** True: the request has now cost two workers their lives. */
  function convict(ref: WorkerRef): boolean {
    if (!suspectedCrashes.some(({ worker }) => worker === ref.worker)) suspectedCrashes.push(ref);
    if (suspectedCrashes.length < 2) return false;
    put({ type: 'poison', workers: [...suspectedCrashes] });
    close({ kind: 'failed', outcome: 'poison', why: 'two workers were lost to this request' });
    return true;
  }

  function picked(atMs: number, ref: WorkerRef, patience: Patience): void {
    const purpose = picking;
    picking = null;
    // A complete log needs no further worker: one that is sent it would go on past the end.
    if (purpose === null || finishLocally()) return;
    if (purpose === 'planned' && attempts.length > 0) {
      warming = { ref, patience };
      put({ type: 'warm', ref });
      return;
    }
    // By now the silent attempt may have ended, and the hedge is the only one.
    dispatch(atMs, ref, patience, purpose === 'hedge' && attempts.length === 0 ? 'retry' : purpose);
  }

  function warmed(atMs: number, ref: WorkerRef): void {
    if (warming === null || !isSame(warming.ref, ref) || finishLocally()) return;
    for (const old of attempts) {
      kill(old, 'draining');
      countMigration(atMs, old.ref, 'draining', log.length);
    }
    attempts = [];
    takeWarm(atMs);
  }

  function leave(ref: WorkerRef): void {
    const isAlone = attempts.length === 1 && attempts[0] !== undefined && isSame(attempts[0].ref, ref);
    if (!isAlone || picking !== null || warming !== null) return;
    if (log.length > 0 && !request.isReplayable) return;
    if (limits.migrationLimit === 0 || migratedAtMs.length >= limits.lifeLimit) return;
    exclude(ref);
    pick('planned');
  }

  function hedge(atMs: number, ref: WorkerRef): void {
    const isAlone = attempts.length === 1 && attempts[0] !== undefined && isSame(attempts[0].ref, ref);
    if (!isAlone || picking !== null || warming !== null) return;
    if (limits.migrationLimit === 0 || (log.length > 0 && !request.isReplayable) || !mayHedge(atMs)) return;
    picking = 'hedge';
    put({ type: 'pick', purpose: 'hedge', excluded: [...excluded, ref] });
  }

  function finish(atMs: number, epoch: number, event: MigrationEvent & { type: 'finish' }): void {
    const attempt = attempts.find((each) => each.epoch === epoch);
    if (attempt === undefined) return;
    if (event.length !== log.length) {
      put({ type: 'kill', epoch, ref: attempt.ref });
      fail(atMs, attempt, event.length > log.length ? 'gap' : 'diverged', 0);
      return;
    }
    attempts = attempts.filter((other) => other !== attempt);
    put({ type: 'outcome', epoch, ref: attempt.ref, outcome: 'success' });
    close({ kind: 'finished', reason: event.reason, isLocal: false });
  }

  const silentUntilMs = ({ hasProgress, lastProgressMs, patience }: Attempt): number =>
    lastProgressMs + (hasProgress ? patience.nextMs : patience.firstMs);

  function tick(atMs: number, random: number): void {
    if (request.deadlineMs !== null && atMs >= request.deadlineMs) {
      close(
        { kind: 'failed', outcome: 'deadline', why: 'the deadline of the request has passed' },
        'deadline',
      );
      return;
    }
    for (const attempt of [...attempts]) {
      if (end !== null || atMs < silentUntilMs(attempt)) continue;
      put({ type: 'kill', epoch: attempt.epoch, ref: attempt.ref });
      fail(atMs, attempt, 'stalled', random);
    }
    if (end === null && atMs >= retryAtMs) {
      retryAtMs = Number.POSITIVE_INFINITY;
      pick('retry');
    }
  }

  function apply(event: MigrationEvent): void {
    const { atMs } = event;
    switch (event.type) {
      case 'start':
        pick('first');
        return;
      case 'picked':
        picked(atMs, event.ref, event.patience);
        return;
      case 'no_worker': {
        const wasFor = picking;
        picking = null;
        // A hedge or a planned move that finds nobody leaves things as they are.
        if (attempts.length > 0 || wasFor === null) return;
        close({
          kind: 'failed',
          outcome: lastOutcome === 'overloaded' ? 'overloaded' : 'no_workers',
          why: 'no worker can take the request',
        });
        return;
      }
      case 'progress': {
        const attempt = attempts.find(({ epoch }) => epoch === event.epoch);
        if (attempt !== undefined) noteProgress(attempt, atMs);
        return;
      }
      case 'finish':
        finish(atMs, event.epoch, event);
        return;
      case 'failed': {
        const attempt = attempts.find(({ epoch }) => epoch === event.epoch);
        if (attempt !== undefined) fail(atMs, attempt, event.outcome, event.random, event.retryAfterMs);
        return;
      }
      case 'suspect':
        hedge(atMs, event.ref);
        return;
      case 'leaving':
        leave(event.ref);
        return;
      case 'warmed':
        warmed(atMs, event.ref);
        return;
      case 'warm_failed':
        if (warming !== null && isSame(warming.ref, event.ref)) warming = null;
        return;
      case 'stopped':
        close({ kind: 'finished', reason: 'stop', isLocal: true }, 'success');
        return;
      case 'cancel':
        close({ kind: 'finished', reason: 'cancelled', isLocal: true });
        return;
      case 'tick':
        tick(atMs, event.random);
        return;
    }
  }

  function noteProgress(attempt: Attempt, atMs: number): void {
    attempt.lastProgressMs = atMs;
    attempt.hasProgress = true;
  }

  function takeEffects(): readonly MigrationEffect[] {
    if (effects.length === 0) return NONE;
    const taken = effects;
    effects = [];
    return taken;
  }

  return {
    log,
    get migrations() {
      return migratedAtMs.length;
    },
    get attempts() {
      return attempts;
    },
    get end() {
      return end;
    },
    frame(atMs, epoch, seq, tokenId) {
      if (end !== null) return false;
      const hadRival = log.rival !== -1;
      const result = log.append(epoch, seq, tokenId);
      if (result === 'late') return false;
      const attempt = attempts.length === 1 ? attempts[0] : attempts.find((each) => each.epoch === epoch);
      if (attempt === undefined || attempt.epoch !== epoch) return false;
      noteProgress(attempt, atMs);
      if (result === 'appended') {
        attempt.tokens += 1;
        if (hadRival) endRace(attempt);
        return true;
      }
      if (result === 'gap' || result === 'diverged') {
        put({ type: 'kill', epoch, ref: attempt.ref });
        fail(atMs, attempt, result, 0);
      }
      return false;
    },
    takeEffects,
    step(event) {
      if (end === null) apply(event);
      return takeEffects();
    },
    nextTimerMs() {
      if (end !== null) return Number.POSITIVE_INFINITY;
      let next = Math.min(request.deadlineMs ?? Number.POSITIVE_INFINITY, retryAtMs);
      for (const attempt of attempts) next = Math.min(next, silentUntilMs(attempt));
      return next;
    },
  };

  function endRace(winner: Attempt): void {
    for (const loser of attempts) {
      if (loser === winner) continue;
      kill(loser, 'cancelled');
      if (winner.purpose === 'hedge')
        countMigration(winner.lastProgressMs, loser.ref, 'stalled', log.length - 1);
    }
    attempts = [winner];
  }
}
