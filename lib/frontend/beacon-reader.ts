import type { Dispatcher } from 'undici';
import { decodeBeacon, type WorkerBeacon } from '../wire/beacon.js';
import { createLineSplitter } from '../wire/lines.js';
import { TokenRefused } from './problem.js';

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
/** A connection over which nothing has come for so long is dead, whatever TCP believes. */
const SILENT_MS = 5000;

export interface BeaconReader {
  /** Asks anew, over another connection. */
  again(): void;
  close(): void;
}

/** Reads a worker's beacons for ever, over one connection after the other. */
export function readBeacons(
  http: Dispatcher,
  on: {
    beacon(beacon: WorkerBeacon): void;
    /** The connection could not be made, or has ended. `refused`: nobody listens there. */
    lost(error: Error, refused: boolean): void;
  },
): BeaconReader {
  let isClosed = false;
  let present = new AbortController();
  let waitMs = FIRST_RETRY_MS;
  let timer: NodeJS.Timeout | undefined;

  async function read(signal: AbortSignal): Promise<void> {
    const { statusCode, body } = await http.request({
      path: '/v1/beacons',
      method: 'GET',
      signal,
      headersTimeout: SILENT_MS,
      bodyTimeout: SILENT_MS,
    });
    if (statusCode !== 200) {
      // Else its connection would stay with a body that nobody reads.
      body.on('error', () => undefined).destroy();
      throw statusCode === 401 ? new TokenRefused() : new Error(`GET /v1/beacons answered ${statusCode}`);
    }
    const split = createLineSplitter((line) => {
      if (signal.aborted) return;
      on.beacon(decodeBeacon(line));
      waitMs = FIRST_RETRY_MS;
    });
    for await (const chunk of body) split(chunk as Uint8Array);
    throw new Error('the worker ended its beacons');
  }

  function run(): void {
    const { signal } = present;
    read(signal).catch((error: Error & { code?: string }) => {
      if (signal.aborted) return;
      on.lost(error, error.code === 'ECONNREFUSED' || error.code === 'ENOENT');
      timer = setTimeout(run, waitMs);
      waitMs = Math.min(MAX_RETRY_MS, waitMs * 2);
    });
  }
  run();
  return {
    again() {
      if (isClosed) return;
      present.abort();
      clearTimeout(timer);
      present = new AbortController();
      run();
    },
    close() {
      isClosed = true;
      present.abort();
      clearTimeout(timer);
    },
  };
}
