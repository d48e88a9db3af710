import type { Dispatcher } from 'undici';
import type { Thresholds } from '../fleet/admission/thresholds.js';
import type { Patience } from '../fleet/migrator-types.js';
import type { ServiceSpeed } from '../fleet/service-rate.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import type { WorkerCondition } from '../fleet/worker-health.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import type { RestOptions } from './beacon-reader.js';
import type { MemberView } from './member-view.js';
import type { WorkerProblem } from './problem.js';
import type { WorkerHttp } from './worker-http.js';
import type { ForeignEngine } from './worker-url.js';

export interface PoolPorts {
  readonly workerHttp: WorkerHttp;
  /** A first token came, of a request that had waited in its worker for so long. */
  onFirstToken(model: string | null, waitMs: number): void;
  /** Where beacons come another way too, HTTP may rest meanwhile. */
  readonly rest?: RestOptions;
  now(): number;
  random(): number;
  log(fields: object, message: string): void;
  /** What somebody has to put right. */
  warn(fields: object, message: string): void;
  /** The worker drains: what runs there may move. */
  onLeaving(ref: WorkerRef): void;
  onCondition(ref: WorkerRef, condition: WorkerCondition): void;
  /** The process is gone, or another one is in its place. */
  onGone(ref: WorkerRef): void;
  onEjected(ref: WorkerRef): void;
  /** It has come, gone, or begun to drain. */
  onMember(member: MemberView): void;
  /** The engine there moved: who waits for a first token there has not been forgotten. */
  onProgress(ref: WorkerRef): void;
}

/** A worker that a request was given to; `release` it with what came of it, once. */
export interface Reservation {
  readonly ref: WorkerRef;
  readonly http: Dispatcher;
  readonly patience: Patience;
  /** Null: a worker of this package. */
  readonly engine: ForeignEngine | null;
  /** Tokens came, all at once. */
  tokens(atMs: number, count: number): void;
  /** What breaks off at a worker that drains was to be expected. */
  explain(outcome: Outcome): Outcome;
  /** It could not be used, and not for a failure of its own: nothing more is sent there until its beacons come. */
  refused(problem: WorkerProblem): void;
  /** Null: nothing was sent. */
  release(outcome: Outcome | null): void;
}

export interface WorkerPool {
  /** From now on there may be a worker; whether it is there its beacons say. Idempotent. */
  add(url: string): void;
  /** Nothing new goes there; what runs there ends first, then its connections are closed. */
  remove(url: string): void;
  /** Somebody else says that it leaves, or that it does not after all. */
  setLeaving(url: string, isLeaving: boolean): void;
  /** Whether this life of a worker still sends beacons, and its engine moves. */
  isAnswering(ref: WorkerRef): boolean;
  pick(request: {
    readonly model: string | null;
    readonly excluded: readonly WorkerRef[];
    readonly promptTokens: number;
    readonly expectedTokens: number;
  }): Reservation | null;
  /** At a worker that is known; null: it takes nothing any more. */
  reserve(
    ref: WorkerRef,
    request: { readonly promptTokens: number; readonly expectedTokens: number },
  ): Reservation | null;
  /** A beacon that came another way than over the worker's own connection. `unknown`: nobody like that is known there. */
  hear(beacon: WorkerBeacon): 'taken' | 'unknown' | 'old';
  models(): readonly string[];
  /**
   * Whether a worker that takes requests is below its thresholds, and how many tokens may go out before none is; of one
   * model, or of all.
   */
  room(model?: string | null): { readonly hasRoom: boolean; readonly roomTokens: number };
  /** How fast the workers of a model serve, or all, as measured. */
  speed(model: string | null, atMs: number): ServiceSpeed;
  /** Of each model that a worker was seen with; may be changed while it serves. */
  readonly thresholds: {
    models(): readonly string[];
    /** Null: no worker was seen with it. */
    get(model: string): Thresholds | null;
    set(model: string, change: Partial<Thresholds>): void;
  };
  members(): readonly MemberView[];
  forgive(ref: WorkerRef): void;
  /** Looks at silence; call it every 50 to 100 ms. */
  tick(): void;
  close(): Promise<void>;
}
