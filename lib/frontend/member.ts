/** One worker as a pool keeps it. */
import type { Dispatcher } from 'undici';
import type { WorkerRef } from '../fleet/types.js';
import { createWorkerHealth, type WorkerCondition, type WorkerHealth } from '../fleet/worker-health.js';
import { monoMs } from '../native/clock.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import { type BeaconReader, type RestOptions, readBeacons } from './beacon-reader.js';
import { FOREIGN_HEALTH, readForeign } from './foreign-reader.js';
import type { WorkerProblem } from './problem.js';
import { type ForeignEngine, parseWorkerUrl } from './worker-url.js';

export interface Member {
  readonly url: string;
  /** Null: a worker of this package. */
  readonly engine: ForeignEngine | null;
  readonly http: Dispatcher;
  readonly reader: BeaconReader;
  /** Why it cannot be used although it is there. */
  problem: WorkerProblem | null;
  /** Why it has not been reached yet; it has been said. */
  lastError: string;
  ref: WorkerRef | null;
  beacon: WorkerBeacon | null;
  isGone: boolean;
  health: WorkerHealth;
  condition: WorkerCondition;
  /** The model that it takes requests for, as was last said; null: it takes none. */
  openModel: string | null;
  /** Somebody else has its name; it has been said. */
  isNameless: boolean;
  /** Smoothed time between two tokens of a stream, milliseconds. */
  tokenMs: number;
  /** Discovery says that it drains. */
  isLeaving: boolean;
  /** It is not to be there any more; it stays until the last request that it has ends. */
  isRetired: boolean;
  /** Requests that hold it. */
  reservations: number;
}

/** What is left of a request when nobody holds the worker any more ends by itself, or not at all. */
const CLOSE_MS = 5000;

export function createMember(
  url: string,
  http: Dispatcher,
  atMs: number,
  on: {
    beacon(member: Member, beacon: WorkerBeacon): void;
    lost(member: Member, error: Error, refused: boolean): void;
  },
  rest?: RestOptions,
): Member {
  const { engine, origin } = parseWorkerUrl(url) ?? { engine: null, origin: url };
  const heard = {
    beacon: (beacon: WorkerBeacon) => on.beacon(member, beacon),
    lost: (error: Error, refused: boolean) => on.lost(member, error, refused),
    unheard: () => member.health.frame(monoMs()),
  };
  const member: Member = {
    url,
    engine,
    http,
    reader:
      engine === null
        ? readBeacons(http, heard, rest)
        : readForeign(http, { engine, name: new URL(origin).host }, heard),
    problem: null,
    lastError: '',
    ref: null,
    beacon: null,
    isGone: true,
    health: newHealth(engine, atMs),
    condition: 'alive',
    openModel: null,
    isNameless: false,
    tokenMs: 50,
    isLeaving: false,
    isRetired: false,
    reservations: 0,
  };
  return member;
}

/** Of a life of the worker that begins. */
export function newHealth(engine: ForeignEngine | null, atMs: number): WorkerHealth {
  return createWorkerHealth(atMs, engine === null ? {} : FOREIGN_HEALTH);
}

/** Whether it takes new requests. */
export function isOpen({ isGone, beacon, isLeaving, isRetired }: Member): boolean {
  return !isGone && beacon !== null && beacon.ready && beacon.state === 'serving' && !isLeaving && !isRetired;
}

/** Ends its connections once nothing runs over them. */
export function closeMember({ reader, http }: Member): void {
  reader.close();
  const timer = setTimeout(() => void http.destroy().catch(() => undefined), CLOSE_MS).unref();
  http.close().then(
    () => clearTimeout(timer),
    () => clearTimeout(timer),
  );
}
