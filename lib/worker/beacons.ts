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
  /** From now on each goes there too. */
  publishTo(publish: (json: string) => void): void;
  close(): void;
}

export function createBeacons(beacon: () => WorkerBeacon): Beacons {
  const readers = new Set<ServerResponse>();
  let publish: ((json: string) => void) | null = null;
  let timer: NodeJS.Timeout | null = null;
  let seq = 0;

  const next = (): string => {
    seq += 1;
    return JSON.stringify({ ...beacon(), seq });
  };

  function send(): void {
    if (readers.size === 0 && publish === null) return;
    let json: string;
    try {
      json = next();
    } catch {
      // An engine that cannot say how it is is silent for the frontends, which know what to think of that.
      return;
    }
    publish?.(json);
    const line = `${json}\n`;
    for (const reader of readers) {
      if (reader.writableLength > MAX_BEHIND) reader.destroy();
      else reader.write(line);
    }
  }

  return {
    subscribe(response) {
      response.writeHead(200, { 'Content-Type': NDJSON_TYPE, 'Cache-Control': 'no-store' });
      response.write(`${next()}\n`);
      readers.add(response);
      timer ??= setInterval(send, EVERY_MS).unref();
      response.on('close', () => {
        readers.delete(response);
        if (readers.size > 0 || publish !== null || timer === null) return;
        clearInterval(timer);
        timer = null;
      });
    },
    send,
    publishTo(to) {
      publish = to;
      timer ??= setInterval(send, EVERY_MS).unref();
    },
    close() {
      publish = null;
      if (timer !== null) clearInterval(timer);
      timer = null;
      for (const reader of readers) reader.end();
    },
  };
}
