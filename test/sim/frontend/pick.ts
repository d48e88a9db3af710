/** Who takes the next attempt, and whether that could be chosen. */
import type { Candidate } from '../../../lib/fleet/ejector.js';
import type { WorkerLoad } from '../../../lib/fleet/load-view.js';
import type { MigrationEvent } from '../../../lib/fleet/migrator-types.js';
import type { WorkerRef } from '../../../lib/fleet/types.js';
import type { Admission } from './admission.js';
import { type Choice, type Core, isSameLife, keyOf, type Open } from './core.js';
import type { Discovery } from './discovery.js';

export interface Picker {
  routable(): readonly Candidate[];
  answer(entry: Open, state: Choice, excluded: readonly WorkerRef[]): MigrationEvent;
  /** Whether the last choice was that worker's trial; asked once. */
  takeTrial(ref: WorkerRef): boolean;
}

export const PATIENCE = { firstMs: 3000, nextMs: 1000 };

export function createPicker(core: Core, discovery: Discovery, admission: Admission): Picker {
  const { world, actor, ejector, loadView, seen } = core;
  const { checks, random, machines } = world;
  let trial: WorkerRef | null = null;

  const routable = (): readonly Candidate[] => ejector.view(actor.now(), discovery.isServing).candidates;

  /** Of a worker that does not report, the load is what was sent there, or what others have. */
  function checkLoads(loads: readonly WorkerLoad[]): void {
    const stale = loads.filter(({ isStale }) => isStale);
    if (stale.length === 0) return;
    // Of all workers, since those that are not candidates now count for the comparison too.
    const all = [...seen.values()].map(({ ref }) => loadView.load(ref, actor.now()));
    const fresh = all.filter(({ isStale }) => !isStale).map(({ tokens }) => tokens);
    const least = Math.min(...fresh, Number.MAX_VALUE);
    for (const { tokens, inFlight } of stale) {
      const isIdle = tokens === 0 && (inFlight > 0 || (fresh.length > 1 && least > 0));
      checks.check(
        28,
        tokens < 1e6 && !isIdle,
        () => `a silent worker with ${inFlight} in flight has a load of ${tokens}`,
      );
    }
  }

  return {
    routable,
    answer({ spec }, { failedOn }, excluded) {
      const atMs = actor.now();
      const candidates = routable();
      const { size } = discovery.serving();
      checks.check(10, candidates.length > 0 || size === 0, () => `no candidate of ${size} workers`);
      // Those above their thresholds come last; a stream that moves goes to one of them rather than to none.
      const free = candidates.filter(({ ref }) => !admission.isBusy(ref));
      const workers = (free.length > 0 ? free : candidates).map(
        ({ ref, weight, recentFailures, isTrial }) => ({
          ref,
          weight,
          recentFailures,
          isTrial,
          load: loadView.load(ref, atMs),
          condition: core.find(ref)?.condition ?? ('alive' as const),
          cachedTokens: 0,
        }),
      );
      checkLoads(workers.map(({ load }) => load));
      const randoms = [random.next(), random.next()] as const;
      const chosen = machines.route({ excluded, promptTokens: spec.promptTokens }, workers, randoms);
      if (chosen === null) return { type: 'no_worker', atMs };
      const { ref, isTrial } = chosen;
      checks.check(
        21,
        !failedOn.some((other) => isSameLife(other, ref)),
        () => `${spec.id} again to ${keyOf(ref)}`,
      );
      checks.check(16, !discovery.isReplaced(ref), () => `${spec.id} to ${keyOf(ref)}, which was replaced`);
      trial = isTrial ? ref : null;
      return { type: 'picked', atMs, ref, patience: PATIENCE };
    },
    takeTrial(ref) {
      const is = trial !== null && isSameLife(trial, ref);
      trial = null;
      return is;
    },
  };
}
