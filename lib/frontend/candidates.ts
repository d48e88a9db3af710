/** Who may take a request: those that are open, serve its model, and are not above their thresholds while others are not. */
import type { Ejector } from '../fleet/ejector.js';
import type { LoadView } from '../fleet/load-view.js';
import type { RoutableWorker } from '../fleet/router.js';
import type { WorkerRef } from '../fleet/types.js';
import type { BusyModels } from './busy-models.js';
import { isOpen, type Member } from './member.js';

/** In a larger pool not every worker is looked at for every request; two drawn at random are as good from some as from all. */
const LOOK_AT_ALL = 256;
const SAMPLE = 64;
/** With fewer in the sample the choice would be poor, as where one model of many is asked for: then all are looked at. */
const ENOUGH = 8;

export function createCandidates(from: {
  readonly named: ReadonlyMap<string, Member>;
  readonly ejector: Ejector;
  readonly loads: LoadView;
  readonly busy: BusyModels;
  random(): number;
}): (model: string | null, atMs: number) => RoutableWorker[] {
  const { named, ejector, loads, busy, random } = from;
  /** Workers by number, to draw from; made anew when the pool has another size, and looked up when used. */
  let roster: readonly string[] = [];

  function open(worker: string): Member | undefined {
    const member = named.get(worker);
    return member !== undefined && isOpen(member) ? member : undefined;
  }

  function sample(): readonly WorkerRef[] {
    if (roster.length !== named.size) roster = [...named.keys()];
    const drawn = new Map<string, WorkerRef>();
    for (let draw = 0; draw < SAMPLE; draw += 1) {
      const worker = roster[Math.floor(random() * roster.length)] ?? '';
      const ref = named.get(worker)?.ref;
      if (ref != null) drawn.set(worker, ref);
    }
    return [...drawn.values()];
  }

  function among(model: string | null, atMs: number, refs?: readonly WorkerRef[]): RoutableWorker[] {
    const view = ejector.view(atMs, ({ worker }) => open(worker) !== undefined, refs);
    const workers: RoutableWorker[] = [];
    // A stream that moves goes to a busy worker rather than to none.
    const allBusy = !busy.room(model).hasRoom;
    for (const { ref, weight, recentFailures, isTrial } of view.candidates) {
      const { worker } = ref;
      const member = open(worker);
      if (
        member === undefined ||
        busy.isBusy(worker) !== allBusy ||
        (model !== null && member.beacon?.model !== model)
      )
        continue;
      const load = loads.load(ref, atMs);
      const { condition } = member;
      // Field by field: to spread the candidate takes several times as long.
      workers.push({ ref, weight, recentFailures, isTrial, load, condition, cachedTokens: 0 });
    }
    return workers;
  }

  return (model, atMs) => {
    if (named.size > LOOK_AT_ALL) {
      const some = among(model, atMs, sample());
      if (some.length >= ENOUGH) return some;
    }
    return among(model, atMs);
  };
}
