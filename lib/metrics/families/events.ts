import type { FamilySet } from '../family.js';
import type { MetricsInput } from '../input.js';

/** A worker's connection to NATS, by the names of a frontend's. */
export function addEventFamilies(set: FamilySet, { events }: MetricsInput): void {
  if (events === null) return;
  set.gauge('events_connected', 'Whether NATS is connected.').add(Number(events.isConnected));
  set.counter('events_reconnects_total', 'Connections to NATS after the first.').add(events.reconnects);
  set.counter('events_sent_total', 'Beacons that were handed to the connection.').add(events.sent);
  set
    .counter('events_dropped_total', 'Beacons that were not, since there was no connection.')
    .add(events.dropped);
}
