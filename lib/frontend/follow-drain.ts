import type { HealthStatus } from '../lifecycle/emitter.js';
import type { Health } from '../lifecycle/health.js';

export interface DrainSteps {
  /** Probes say so from now on; stragglers are still served for the lame duck's time. */
  announce(): void;
  refuse(): void;
  /** It was taken back. */
  resume(): void;
  /** What still runs ends with an error. */
  cut(): void;
}

/** A frontend goes through the drain of its process. Returns what ends that. */
export function followDrain(
  health: Health | undefined,
  { announce, refuse, resume, cut }: DrainSteps,
): () => void {
  let isDraining = false;
  const onDrain = (): void => {
    isDraining = true;
    announce();
  };
  const onStatus = ({ phase }: HealthStatus): void => {
    if (phase !== 'serving' || !isDraining) return;
    isDraining = false;
    resume();
  };
  health?.on('drain', onDrain).on('refuse', refuse).on('terminate', cut).on('status', onStatus);
  return () => {
    health?.off('drain', onDrain).off('refuse', refuse).off('terminate', cut).off('status', onStatus);
  };
}
