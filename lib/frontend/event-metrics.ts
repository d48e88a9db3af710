import { Counter, Gauge, type Registry } from 'prom-client';
import type { EventsView } from '../events/options.js';
import { PREFIX } from '../metrics/family.js';

/** Of the connection to NATS, where there is one. What is counted elsewhere is set anew at each reading. */
export function addEventMetrics(registry: Registry, view: () => EventsView): void {
  const registers = [registry];
  new Gauge({
    name: `${PREFIX}events_connected`,
    help: 'Whether NATS is connected.',
    registers,
    collect() {
      this.set(Number(view().isConnected));
    },
  });
  const counter = (name: string, help: string, read: (view: EventsView) => number): void => {
    new Counter({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(view()));
      },
    });
  };
  counter('events_reconnects_total', 'Connections to NATS after the first.', ({ reconnects }) => reconnects);
  counter('events_received_total', 'Beacons over NATS that were taken over.', ({ received }) => received);
  new Counter({
    name: `${PREFIX}events_ignored_total`,
    help: 'Messages over NATS that were not, by why.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(view().ignored)) this.inc({ reason }, count);
    },
  });
}
