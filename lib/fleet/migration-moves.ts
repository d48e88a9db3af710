/** Attempts beside the one that runs: a planned move, a hedge against silence, and who wins. See docs/fleet/migrator.md. */
import {
  type Attempt,
  countMigration,
  dispatch,
  exclude,
  finishLocally,
  kill,
  type MigrationRun,
  pick,
  put,
} from './migration-run.js';
import type { Patience } from './migrator-types.js';
import type { WorkerRef } from './types.js';
import { isSame } from './worker-ref.js';

/** What runs there, if nothing runs elsewhere or is about to. */
function alone({ attempts, picking, warming }: MigrationRun, ref: WorkerRef): Attempt | undefined {
  const [only] = attempts;
  if (only === undefined || attempts.length > 1 || picking !== null || warming !== null) return undefined;
  return isSame(only.ref, ref) ? only : undefined;
}

const isStuck = (run: MigrationRun): boolean => run.log.length > 0 && !run.request.isReplayable;

/**
 * Whether a second worker may get the choice. One that has given no token may be dying of it, and its end may be heard only
 * after the next one has died too.
 */
function mayRisk(run: MigrationRun, { tokens }: Attempt): boolean {
  return tokens > 0 || run.limits.poisonTokens === 0 || run.suspicion.mayRiskTwo(run.log.length);
}

export function picked(run: MigrationRun, atMs: number, ref: WorkerRef, patience: Patience): void {
  const purpose = run.picking;
  run.picking = null;
  // A complete log needs no further worker: one that is sent it would go on past the end.
  if (purpose === null || finishLocally(run)) return;
  const [old] = run.attempts;
  if (old === undefined) {
    // By now the silent attempt may have ended, and the hedge is the only one.
    dispatch(run, atMs, ref, patience, purpose === 'hedge' ? 'retry' : purpose);
    return;
  }
  if (isStuck(run) || !mayRisk(run, old)) return;
  // Where nothing has been generated the first to give a token goes on, so that it is known of the other one whether it died.
  // What cannot be replayed would have to stay if that is the old one.
  if (purpose === 'planned' && (old.tokens > 0 || !run.request.isReplayable)) {
    run.warming = { ref, patience };
    put(run, { type: 'warm', ref });
  } else dispatch(run, atMs, ref, patience, purpose);
}

export function takeWarm(run: MigrationRun, atMs: number): void {
  if (run.warming === null) return;
  const { ref, patience } = run.warming;
  run.warming = null;
  dispatch(run, atMs, ref, patience, 'planned');
}

export function warmed(run: MigrationRun, atMs: number, ref: WorkerRef): void {
  if (run.warming === null || !isSame(run.warming.ref, ref) || finishLocally(run)) return;
  if (isStuck(run)) {
    run.warming = null;
    return;
  }
  for (const old of run.attempts) {
    kill(run, old, 'draining');
    countMigration(run, atMs, old.ref, 'draining', run.log.length);
  }
  run.attempts = [];
  takeWarm(run, atMs);
}

export function leave(run: MigrationRun, ref: WorkerRef): void {
  for (const each of run.attempts) if (isSame(each.ref, ref)) each.isLeaving = true;
  const attempt = alone(run, ref);
  if (attempt === undefined || isStuck(run) || !mayRisk(run, attempt)) return;
  if (run.limits.migrationLimit === 0 || run.migratedAtMs.length >= run.limits.lifeLimit) return;
  exclude(run, ref);
  pick(run, 'planned');
}

export function hedge(run: MigrationRun, atMs: number, ref: WorkerRef): void {
  const attempt = alone(run, ref);
  if (attempt === undefined || isStuck(run) || !mayRisk(run, attempt)) return;
  if (run.limits.migrationLimit === 0 || !run.mayHedge(atMs)) return;
  run.picking = 'hedge';
  put(run, { type: 'pick', purpose: 'hedge', excluded: [...run.excluded, ref] });
}

export function endRace(run: MigrationRun, winner: Attempt): void {
  for (const loser of run.attempts) {
    if (loser === winner) continue;
    const isMove = winner.epoch > loser.epoch;
    const isPlanned = isMove && winner.purpose === 'planned';
    kill(run, loser, isPlanned ? 'draining' : 'cancelled');
    if (!isMove) continue;
    const why = isPlanned ? 'draining' : 'stalled';
    countMigration(run, winner.lastProgressMs, loser.ref, why, run.log.length - 1);
  }
  run.attempts = [winner];
}
