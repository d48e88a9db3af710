import type { Evaluator } from '../probe/evaluator.js';
import type { StatusEvent } from '../status/events.js';
import { step } from '../status/reducer.js';
import type { State } from '../status/types.js';

/**
 * The main thread's copy of the status. The probe thread owns it; what the main thread has said since is applied on top,
 * so that a caller who reports `ready()` reads it back at once.
 */
export interface Mirror {
  /** Applies an event of this thread and returns its id for the probe thread. */
  dispatch(event: StatusEvent): number;
  /** Takes the probe thread's state, which contains this thread's events up to `lastEventId`. */
  acknowledge(state: State, lastEventId: number): void;
  lastEventId(): number;
}

export function createMirror(evaluator: Pick<Evaluator, 'apply' | 'replace'>): Mirror {
  let lastEventId = 0;
  let pending: { readonly id: number; readonly event: StatusEvent }[] = [];
  return {
    dispatch(event) {
      lastEventId += 1;
      pending.push({ id: lastEventId, event });
      evaluator.apply(event);
      return lastEventId;
    },
    acknowledge(owned, acknowledgedId) {
      pending = pending.filter(({ id }) => id > acknowledgedId);
      evaluator.replace(pending.reduce((state, { event }) => step(state, event), owned));
    },
    lastEventId: () => lastEventId,
  };
}
