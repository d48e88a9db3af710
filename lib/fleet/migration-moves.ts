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

/** Whether all that runs, runs there. */
function isAlone({ attempts }: MigrationRun, ref: WorkerRef): boolean {
  return attempts.length === 1 && attempts[0] !== undefined && isSame(attempts[0].ref, ref);
}

export function picked(run: MigrationRun, atMs: number, ref: WorkerRef, patience: Patience): void {
  const purpose = run.picking;
  run.picking = null;
  // A complete log needs no further worker: one that is sent it would go on past the end.
  if (purpose === null || finishLocally(run)) return;
  if (purpose === 'planned' && run.attempts.length > 0) {
    run.warming = { ref, patience };
    put(run, { type: 'warm', ref });
    return;
  }
  // By now the silent attempt may have ended, and the hedge is the only one.
  dispatch(run, atMs, ref, patience, purpose === 'hedge' && run.attempts.length === 0 ? 'retry' : purpose);
}

export function takeWarm(run: MigrationRun, atMs: number): void {
  if (run.warming === null) return;
  const { ref, patience } = run.warming;
  run.warming = null;
  dispatch(run, atMs, ref, patience, 'planned');
}

export function warmed(run: MigrationRun, atMs: number, ref: WorkerRef): void {
  if (run.warming === null || !isSame(run.warming.ref, ref) || finishLocally(run)) return;
  for (const old of run.attempts) {
    kill(run, old, 'draining');
    countMigration(run, atMs, old.ref, 'draining', run.log.length);
  }
  run.attempts = [];
  takeWarm(run, atMs);
}

export function leave(run: MigrationRun, ref: WorkerRef): void {
  if (!isAlone(run, ref) || run.picking !== null || run.warming !== null) return;
  if (run.log.length > 0 && !run.request.isReplayable) return;
  if (run.limits.migrationLimit === 0 || run.migratedAtMs.length >= run.limits.lifeLimit) return;
  exclude(run, ref);
  pick(run, 'planned');
}

export function hedge(run: MigrationRun, atMs: number, ref: WorkerRef): void {
  if (!isAlone(run, ref) || run.picking !== null || run.warming !== null) return;
  if (
    run.limits.migrationLimit === 0 ||
    (run.log.length > 0 && !run.request.isReplayable) ||
    !run.mayHedge(atMs)
  )
    return;
  run.picking = 'hedge';
  put(run, { type: 'pick', purpose: 'hedge', excluded: [...run.excluded, ref] });
}

export function endRace(run: MigrationRun, winner: Attempt): void {
  for (const loser of run.attempts) {
    if (loser === winner) continue;
    kill(run, loser, 'cancelled');
    if (winner.purpose === 'hedge')
      countMigration(run, winner.lastProgressMs, loser.ref, 'stalled', run.log.length - 1);
  }
  run.attempts = [winner];
}
