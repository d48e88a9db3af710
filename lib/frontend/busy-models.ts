/** Thresholds of each model, and which of its workers are above them. What was not set for a model is as at the start. */
import { type BusyWorkers, createBusyWorkers } from '../fleet/admission/busy-workers.js';
import { NO_THRESHOLDS, type Thresholds, type WorkerPressure } from '../fleet/admission/thresholds.js';

export interface BusyModels {
  report(model: string, worker: string, pressure: WorkerPressure): void;
  /** Tokens that were sent there since its report. */
  sent(worker: string, tokens: number): void;
  forget(worker: string): void;
  isBusy(worker: string): boolean;
  /** Of one model, or of all where none is named: whether a worker is not busy, and what those that are not take. */
  room(model?: string | null): { readonly hasRoom: boolean; readonly roomTokens: number };
  /** Models that a worker has been seen with, sorted. */
  models(): readonly string[];
  /** Null: no worker has been seen with it. */
  thresholds(model: string): Thresholds | null;
  /** Counts at once; what is left out stays. A model that is not there yet gets it when it comes. */
  set(model: string, change: Partial<Thresholds>): void;
}

export function createBusyModels(initial: Partial<Thresholds> = {}): BusyModels {
  const start: Thresholds = { ...NO_THRESHOLDS, ...initial };
  const busy = new Map<string, BusyWorkers>();
  const seen = new Set<string>();
  const modelOf = new Map<string, string>();

  function of(model: string): BusyWorkers {
    const known = busy.get(model);
    if (known !== undefined) return known;
    const created = createBusyWorkers(start);
    busy.set(model, created);
    return created;
  }

  function forget(worker: string): void {
    busy.get(modelOf.get(worker) ?? '')?.forget(worker);
    modelOf.delete(worker);
  }

  return {
    report(model, worker, pressure) {
      if (modelOf.get(worker) !== model) forget(worker);
      modelOf.set(worker, model);
      seen.add(model);
      of(model).report(worker, pressure);
    },
    sent(worker, tokens) {
      busy.get(modelOf.get(worker) ?? '')?.sent(worker, tokens);
    },
    forget,
    isBusy: (worker) => busy.get(modelOf.get(worker) ?? '')?.isBusy(worker) === true,
    room(model = null) {
      const asked = model === null ? [...busy.values()] : [busy.get(model)];
      // A model whose workers have all left has no room for anybody, however little is said against it.
      const found = asked.filter((each) => each !== undefined && each.size > 0) as BusyWorkers[];
      if (found.length === 0) return { hasRoom: true, roomTokens: Number.POSITIVE_INFINITY };
      return {
        hasRoom: found.some(({ hasRoom }) => hasRoom),
        // Only where it is asked for: it looks at every worker.
        get roomTokens() {
          return found.reduce((sum, { roomTokens }) => sum + roomTokens, 0);
        },
      };
    },
    models: () => [...seen].sort(),
    thresholds: (model) => (seen.has(model) ? of(model).thresholds : null),
    set: (model, change) => of(model).set(change),
  };
}
