/** Beacons over NATS, for a pool that hears them over HTTP as well. What cannot be one is ignored and counted. */
import type { Logger } from '../config/options.js';
import { openEvents } from '../events/connection.js';
import type { EventsView, IgnoredReason, NatsOptions } from '../events/options.js';
import { natsSettings } from '../events/settings.js';
import { beaconSubjects, isOf } from '../events/subjects.js';
import { decodeBeacon, type WorkerBeacon } from '../wire/beacon.js';

export interface EventFeed {
  /** Nothing has come from anybody for a while. */
  isDeaf(): boolean;
  view(): EventsView;
  close(): Promise<void>;
}

/** A beacon has some 400 bytes. */
const MAX_BYTES = 16 * 1024;
const DEAF_MS = 500;

/**
 * Null: NATS is off.
 * @param hear what the pool makes of a beacon
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export async function openEventFeed(
  options: NatsOptions | false | undefined,
  hear: (beacon: WorkerBeacon) => 'taken' | 'unknown' | 'old',
  logger: Logger | undefined,
): Promise<EventFeed | null> {
  const settings = natsSettings(options, process.env);
  if (settings === null) return null;
  let received = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const ignored: Record<IgnoredReason, number> = {
    malformed: 0,
    oversize: 0,
    mismatch: 0,
    unknown: 0,
    old: 0,
  };

  function message(subject: string, data: Uint8Array): void {
    const verdict = judge(subject, data);
    lastMs = performance.now();
    if (verdict === 'taken') received += 1;
    else ignored[verdict] += 1;
  }

  function judge(subject: string, data: Uint8Array): IgnoredReason | 'taken' {
    if (data.length > MAX_BYTES) return 'oversize';
    let beacon: WorkerBeacon;
    try {
      beacon = decodeBeacon(Buffer.from(data.buffer, data.byteOffset, data.length).toString());
    } catch {
      return 'malformed';
    }
    // Without its number nothing says that it is not an old one that somebody sends again.
    if (!Number.isSafeInteger(beacon.seq)) return 'malformed';
    return isOf(subject, beacon.worker) ? hear(beacon) : 'mismatch';
  }

  const subject = beaconSubjects(settings.namespace, settings.component);
  const connection = await openEvents(settings, {
    name: 'inference-health frontend',
    subscription: { subject, message },
    logger,
  });
  return {
    isDeaf: () => !connection.isConnected || performance.now() - lastMs > DEAF_MS,
    view: () => ({
      isConnected: connection.isConnected,
      reconnects: connection.reconnects,
      sent: connection.sent,
      dropped: connection.dropped,
      received,
      ignored: { ...ignored },
    }),
    close: () => connection.close(),
  };
}
