/** An attempt has ended: whether the choice goes on elsewhere, and when. See docs/fleet/migrator.md. */
import { equalJitterMs } from './backoff.js';
import { outcomeClass } from './migratable.js';
import { takeWarm } from './migration-moves.js';
import {
  type Attempt,
  close,
  countMigration,
  exclude,
  finishLocally,
  type MigrationRun,
  pick,
  put,
} from './migration-run.js';
import type { MigrationEvent } from './migrator-types.js';
import type { Outcome, WorkerRef } from './types.js';

const MINUTE_MS = 60_000;

const isRefused = (outcome: Outcome): boolean => outcome === 'connect' || outcome === 'not_sent';

/** Why the choice cannot go on elsewhere; null: it can. */
function obstacle(
  run: MigrationRun,
  atMs: number,
  { tokens }: Attempt,
  outcome: Outcome,
  isFree: boolean,
): string | null {
  const { migrate, isPaid, isCrash } = outcomeClass(outcome);
  if (migrate === 'no') return `an attempt ended with ${outcome}`;
  if (migrate === 'once' && run.usedOnce.has(outcome)) return `${outcome} on a second worker`;
  if (isFree) return null;
  if (run.limits.migrationLimit === 0) return 'migration is off';
  if (run.log.length > 0 && !run.request.isReplayable) return 'what was generated cannot be replayed';
  if (run.limits.maxSeqLen !== null && run.request.promptTokens + run.log.length > run.limits.maxSeqLen)
    return `longer than ${run.limits.maxSeqLen} tokens`;
  if (run.migratedAtMs.length >= run.limits.lifeLimit) return `moved ${run.limits.lifeLimit} times`;
  const recent = run.migratedAtMs.filter((at) => atMs - at < MINUTE_MS).length;
  if (isPaid && recent >= run.limits.migrationLimit)
    return `moved ${run.limits.migrationLimit} times in a minute`;
  if (!isPaid) return null;
  // A worker takes all its streams with it at once, more than any budget has. What gave tokens before it was lost is no retry
  // of the same work, and cannot go round in circles; how many workers may break a request off says the rule of poison.
  const isProgress = tokens > 0 || isCrash || (run.log.length > 0 && !run.hasLost);
  run.hasLost = true;
  if (!isProgress && !run.mayRetry(atMs)) return 'the retry budget is empty';
  return null;
}

/** Who gave tokens has served: after it the next worker is asked at once, as after the first loss. */
function backoffMs(run: MigrationRun, { tokens }: Attempt, random: number): number {
  const steps = tokens > 0 ? 0 : run.fruitless;
  run.fruitless = steps + 1;
  return steps === 0
    ? 0
    : equalJitterMs(run.limits.backoffBaseMs, steps - 1, run.limits.backoffCapMs, random);
}

/** True: workers have died of the request, and no other one is to. */
function convict(run: MigrationRun, ref: WorkerRef): boolean {
  const workers = run.suspicion.lost(run.log.length, ref);
  if (workers === null) return false;
  put(run, { type: 'poison', workers: [...workers] });
  close(run, {
    kind: 'failed',
    outcome: 'poison',
    why: `${workers.length} workers were lost to this request`,
  });
  return true;
}

export function fail(
  run: MigrationRun,
  atMs: number,
  attempt: Attempt,
  outcome: Outcome,
  random: number,
  retryAfterMs = 0,
): void {
  run.attempts = run.attempts.filter((other) => other !== attempt);
  put(run, { type: 'outcome', epoch: attempt.epoch, ref: attempt.ref, outcome });
  if (run.log.rival === attempt.epoch) run.log.endRace();
  const { isCrash, migrate } = outcomeClass(outcome);
  // Where nobody listens any more and another choice was, the worker died of it, whoever is told first.
  const isGone = isCrash || (isRefused(outcome) && run.hasSibling(attempt.ref));
  if (isGone && attempt.tokens < run.limits.poisonTokens && convict(run, attempt.ref)) return;
  if (migrate !== 'no') exclude(run, attempt.ref);
  run.lastOutcome = outcome;
  // The other attempt of a race goes on alone.
  const [other] = run.attempts;
  if (other !== undefined) {
    if (other.epoch > attempt.epoch) countMigration(run, atMs, attempt.ref, outcome, run.log.length);
    run.log.fence(other.epoch);
    return;
  }
  if (finishLocally(run)) return;
  const isFree = outcome === 'not_sent' && run.isFirstUnsentFree;
  const why = obstacle(run, atMs, attempt, outcome, isFree);
  if (why !== null) {
    close(run, { kind: 'failed', outcome, why });
    return;
  }
  let waitMs = 0;
  if (isFree) run.isFirstUnsentFree = false;
  else {
    countMigration(run, atMs, attempt.ref, outcome, run.log.length);
    waitMs = Math.max(backoffMs(run, attempt, random), Math.min(retryAfterMs, run.limits.backoffCapMs));
  }
  if (migrate === 'once') run.usedOnce.add(outcome);
  run.log.fence(run.lastEpoch + 1);
  // A planned move that was under way goes on as what it is now needed for.
  if (run.warming !== null) {
    takeWarm(run, atMs);
    return;
  }
  if (run.picking !== null) {
    run.picking = 'retry';
    return;
  }
  if (waitMs > 0) run.retryAtMs = atMs + waitMs;
  else pick(run, 'retry');
}

export function finish(
  run: MigrationRun,
  atMs: number,
  epoch: number,
  event: MigrationEvent & { type: 'finish' },
): void {
  const attempt = run.attempts.find((each) => each.epoch === epoch);
  if (attempt === undefined) return;
  if (event.length !== run.log.length) {
    put(run, { type: 'kill', epoch, ref: attempt.ref });
    fail(run, atMs, attempt, event.length > run.log.length ? 'gap' : 'diverged', 0);
    return;
  }
  run.attempts = run.attempts.filter((other) => other !== attempt);
  put(run, { type: 'outcome', epoch, ref: attempt.ref, outcome: 'success' });
  close(run, { kind: 'finished', reason: event.reason, isLocal: false });
}
