import type { EventsInput } from '../metrics/input.js';
import type { Health } from './health.js';

/** By symbol, as {@link SHOW_FRONTEND}. */
export const SHOW_EVENTS = Symbol.for('inference-health.show-events');

/** Gives the probe thread what a worker's connection to NATS has done, for `/metrics`. */
export function showEvents(health: Health, events: EventsInput): void {
  (health as { [SHOW_EVENTS]?: (events: EventsInput) => void })[SHOW_EVENTS]?.(events);
}
