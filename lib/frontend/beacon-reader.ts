import type { Dispatcher } from 'undici';
import { decodeBeacon, type WorkerBeacon } from '../wire/beacon.js';
import { createLineSplitter } from '../wire/lines.js';
import { TokenRefused } from './problem.js';

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
/** A connection over which nothing has come for so long is dead, whatever TCP believes. */
const SILENT_MS = 5000;

/** After so many beacons that came another way the connection is given up … */
const REST_AFTER = 3;
/** … until none has come for so long: three are missing, and the worker is not yet suspect. */
const REST_MS = 750;
/** Where all have to be asked again at once, they are asked in the course of this. */
const SPREAD_MS = 500;

/** For beacons that come another way than over the worker's own connection, which may rest meanwhile. */
export interface RestOptions {
  /** Whether nothing is heard from anybody that way: then it is the way that is silent, not the worker. */
  isDeaf(): boolean;
}

export interface BeaconReader {
  /** A beacon came another way. */
  rest(): void;
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
    /** It was not listened to for a while, for no reason of its own. */
    unheard(): void;
  },
  rest?: RestOptions,
): BeaconReader {
  let isClosed = false;
  let present = new AbortController();
  let waitMs = FIRST_RETRY_MS;
  let timer: NodeJS.Timeout | undefined;
  let elsewhere = 0;
  let restTimer: NodeJS.Timeout | null = null;

  function stop(): void {
    present.abort();
    clearTimeout(timer);
    if (restTimer !== null) clearTimeout(restTimer);
    restTimer = null;
    elsewhere = 0;
  }

  function start(): void {
    present = new AbortController();
    run();
  }

  function wake(): void {
    restTimer = null;
    elsewhere = 0;
    present = new AbortController();
    if (rest?.isDeaf() !== true) {
      run();
      return;
    }
    on.unheard();
    timer = setTimeout(run, Math.random() * SPREAD_MS);
  }

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
    rest() {
      if (isClosed || rest === undefined) return;
      elsewhere += 1;
      if (restTimer !== null) restTimer.refresh();
      else if (elsewhere >= REST_AFTER) {
        stop();
        restTimer = setTimeout(wake, REST_MS);
      }
    },
    again() {
      if (isClosed) return;
      stop();
      start();
    },
    close() {
      isClosed = true;
      stop();
    },
  };
}
