import type { ServerResponse } from 'node:http';
import type { WorkerBeacon } from '../wire/beacon.js';
import { NDJSON_TYPE } from '../wire/frames.js';

const EVERY_MS = 250;
/** A reader that takes nothing for so many bytes is dropped rather than remembered. */
const MAX_BEHIND = 64 * 1024;

export interface Beacons {
  /** Sends the present beacon, and from then on one every 250 ms. */
  subscribe(response: ServerResponse): void;
  /** At once, since something important has changed. */
  send(): void;
  close(): void;
}

export function createBeacons(beacon: () => WorkerBeacon): Beacons {
  const readers = new Set<ServerResponse>();
  let timer: NodeJS.Timeout | null = null;

  function send(): void {
    if (readers.size === 0) return;
    let line: string;
    try {
      line = `${JSON.stringify(beacon())}\n`;
    } catch {
      // An engine that cannot say how it is is silent for the frontends, which know what to think of that.
      return;
    }
    for (const reader of readers) {
      if (reader.writableLength > MAX_BEHIND) reader.destroy();
      else reader.write(line);
    }
  }

  return {
    subscribe(response) {
      response.writeHead(200, { 'Content-Type': NDJSON_TYPE, 'Cache-Control': 'no-store' });
      response.write(`${JSON.stringify(beacon())}\n`);
      readers.add(response);
      timer ??= setInterval(send, EVERY_MS).unref();
      response.on('close', () => {
        readers.delete(response);
        if (readers.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
      });
    },
    send,
    close() {
      for (const reader of readers) reader.end();
    },
  };
}
