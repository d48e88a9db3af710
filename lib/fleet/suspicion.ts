/**
 * Workers that a request may have killed. One that gets further than where a worker died has not killed that one: a worker
 * takes all its streams along, so that most of those that were there are innocent. See docs/fleet/migrator.md, "Poison".
 */
import type { WorkerRef } from './types.js';

export interface Suspicion {
  /**
   * @param length tokens of the choice when its worker was lost
   * @returns who died of the request; null: that cannot be said
   */
  lost(length: number, ref: WorkerRef): readonly WorkerRef[] | null;
  /**
   * Whether a choice of that length may be at two workers before either has shown that it survives: false where both could die
   * of it and be more than it takes to say so.
   */
  mayRiskTwo(length: number): boolean;
}

/**
 * One for all choices of a request.
 * @param workers so many at one place are no chance any more. Some die of a request now here, now there, as of the memory that it
 *   takes: one more at any
 */
export function createSuspicion(workers: number): Suspicion {
  const everywhere: WorkerRef[] = [];
  const places = new Map<number, WorkerRef[]>();
  return {
    lost(length, ref) {
      const here = places.get(length) ?? [];
      places.set(length, here);
      add(here, ref);
      add(everywhere, ref);
      if (here.length >= workers) return here;
      return everywhere.length > workers ? everywhere : null;
    },
    mayRiskTwo: (length) =>
      (places.get(length)?.length ?? 0) + 2 <= workers && everywhere.length + 2 <= workers + 1,
  };
}

/** By name: a place in the fleet whose worker died twice is one. */
function add(refs: WorkerRef[], ref: WorkerRef): void {
  if (!refs.some(({ worker }) => worker === ref.worker)) refs.push(ref);
}
