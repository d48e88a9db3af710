import type { Logger } from '../config/options.js';
import { openEvents } from '../events/connection.js';
import type { EventsView, NatsOptions } from '../events/options.js';
import { natsSettings } from '../events/settings.js';
import { beaconSubject } from '../events/subjects.js';
import type { Health } from '../lifecycle/health.js';
import { showEvents } from '../lifecycle/show-events.js';

const SHOW_MS = 250;

export interface WorkerEvents {
  view(): EventsView;
  /** In the metrics of this process from now on. */
  showIn(health: Health): void;
  /** @param worker its name @returns where its beacons go */
  publisher(worker: string): (json: string) => void;
  close(): Promise<void>;
}

/**
 * Null: NATS is off.
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export async function openWorkerEvents(
  options: NatsOptions | false | undefined,
  logger: Logger | undefined,
): Promise<WorkerEvents | null> {
  const settings = natsSettings(options, process.env);
  if (settings === null) return null;
  const { namespace, component } = settings;
  const connection = await openEvents(settings, { name: 'inference-health worker', logger });
  let timer: NodeJS.Timeout | undefined;
  return {
    view: () => ({
      isConnected: connection.isConnected,
      reconnects: connection.reconnects,
      sent: connection.sent,
      dropped: connection.dropped,
      received: 0,
      ignored: { malformed: 0, oversize: 0, mismatch: 0, unknown: 0, old: 0 },
    }),
    publisher(worker) {
      const subject = beaconSubject(namespace, component ?? 'backend', worker);
      return (json) => connection.publish(subject, json);
    },
    showIn(health) {
      const show = (): void => showEvents(health, connection);
      show();
      timer = setInterval(show, SHOW_MS).unref();
    },
    close() {
      clearInterval(timer);
      return connection.close();
    },
  };
}
