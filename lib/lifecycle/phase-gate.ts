import type { Phase } from '../status/types.js';

/** Tells when the probes show a phase that the main thread has set. */
export interface PhaseGate {
  /** Resolves when the probe thread has taken the phase over; at once where there is none any more. */
  set(phase: Phase): Promise<void>;
  /** The probe thread has everything up to this event. */
  acknowledge(eventId: number): void;
}

/** @param dispatch returns the event's id, 0 where it went nowhere. */
export function createPhaseGate(dispatch: (phase: Phase) => number): PhaseGate {
  let waiting: { readonly id: number; readonly resolve: () => void }[] = [];
  return {
    set(phase) {
      const id = dispatch(phase);
      if (id === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ id, resolve }));
    },
    acknowledge(eventId) {
      const done = waiting.filter(({ id }) => id <= eventId);
      waiting = waiting.filter(({ id }) => id > eventId);
      for (const { resolve } of done) resolve();
    },
  };
}
