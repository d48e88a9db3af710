import { createMigrator, type MigratorOptions } from '../../lib/fleet/migrator.js';
import type { MigrationEffect, MigrationEvent, MigrationRequest } from '../../lib/fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';

export const ref = (worker: string, incarnation = '1'): WorkerRef => ({ worker, incarnation });
export const patience = { firstMs: 3000, nextMs: 1000 };
export const request: MigrationRequest = {
  promptTokens: 100,
  maxTokens: 50,
  endTokens: [2],
  isReplayable: true,
  deadlineMs: null,
};

/** Answers `pick` with the next of the given workers. */
export function running(options: Partial<MigratorOptions> & { workers?: WorkerRef[] } = {}) {
  const workers = options.workers ?? [ref('a'), ref('b'), ref('c'), ref('d'), ref('e')];
  const migrator = createMigrator({ request, ...options });
  const seen: MigrationEffect[] = [];
  function take(effects: readonly MigrationEffect[], atMs: number): void {
    for (const effect of effects) {
      seen.push(effect);
      if (effect.type !== 'pick') continue;
      const next = workers.shift();
      take(
        migrator.step(next ? { type: 'picked', atMs, ref: next, patience } : { type: 'no_worker', atMs }),
        atMs,
      );
    }
  }
  const step = (event: MigrationEvent): void => take(migrator.step(event), event.atMs);
  step({ type: 'start', atMs: 0 });
  return {
    migrator,
    seen,
    step,
    tokens(epoch: number, from: number, to: number, atMs = 0) {
      for (let seq = from; seq < to; seq += 1) migrator.frame(atMs, epoch, seq, 1000 + seq);
      take(migrator.takeEffects(), atMs);
    },
    fail: (epoch: number, outcome: Outcome, atMs = 0) =>
      step({ type: 'failed', atMs, epoch, outcome, random: 0.5 }),
    of: <T extends MigrationEffect['type']>(type: T) =>
      seen.filter((effect): effect is Extract<MigrationEffect, { type: T }> => effect.type === type),
  };
}
