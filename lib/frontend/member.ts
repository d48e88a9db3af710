/** One worker as a pool keeps it. */
import type { Dispatcher } from 'undici';
import type { WorkerRef } from '../fleet/types.js';
import { createWorkerHealth, type WorkerCondition, type WorkerHealth } from '../fleet/worker-health.js';
import { monoMs } from '../native/clock.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import { type BeaconReader, type RestOptions, readBeacons } from './beacon-reader.js';
import type { WorkerProblem } from './problem.js';

export interface Member {
  readonly url: string;
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
  const member: Member = {
    url,
    http,
    reader: readBeacons(
      http,
      {
        beacon: (beacon) => on.beacon(member, beacon),
        lost: (error, refused) => on.lost(member, error, refused),
        unheard: () => member.health.frame(monoMs()),
      },
      rest,
    ),
    problem: null,
    lastError: '',
    ref: null,
    beacon: null,
    isGone: true,
    health: createWorkerHealth(atMs),
    condition: 'alive',
    isNameless: false,
    tokenMs: 50,
    isLeaving: false,
    isRetired: false,
    reservations: 0,
  };
  return member;
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
