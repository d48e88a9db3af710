import type { LeaseStatus } from '../fleet/lease-keeper.js';
import type { WorkerRef } from '../fleet/types.js';
import type { Json } from './json64.js';

/** Where an endpoint is in the fleet: `dyn://namespace.component.endpoint`. */
export interface EndpointName {
  readonly namespace: string;
  readonly component: string;
  readonly endpoint: string;
}

/** One instance of an endpoint, as it is registered. */
export interface InstanceRecord extends EndpointName {
  /** 64 bits, unsigned; another one for each life of a worker. */
  readonly instanceId: bigint;
  /** How it is reached. Ours: `{ http: 'http://host:port' }`; `tcp` and `nats_tcp` are Dynamo's, and never routed to. */
  readonly transport: Readonly<Record<string, Json>>;
  /** Null: registered by another product. */
  readonly ref: WorkerRef | null;
  readonly model: string | null;
  readonly state: 'serving' | 'draining';
  /** Whatever else the record holds; it is written back unchanged. */
  readonly extra: Readonly<Record<string, Json>>;
}

/** A worker that registers. */
export interface OwnInstance extends EndpointName {
  readonly ref: WorkerRef;
  readonly model: string;
  /** `http://host:port` under which frontends reach it. */
  readonly url: string;
}

export interface Registration {
  readonly instanceId: bigint;
  readonly status: LeaseStatus;
  /** Written as soon as the store answers. */
  setState(state: 'serving' | 'draining'): void;
  /** Resolves when the record is gone, or after a second where the store does not answer: its lease ends it then. */
  close(): Promise<void>;
}

export interface ViewInstance extends InstanceRecord {
  /** Unique in this view. */
  readonly key: string;
  /** Whether its endpoint serves a model. */
  readonly hasModel: boolean;
}

export interface ViewChange {
  /** Grows by one with each change. */
  readonly version: number;
  /** New, or other than before. */
  readonly set: readonly ViewInstance[];
  readonly removed: readonly ViewInstance[];
}

export interface Watch {
  readonly version: number;
  /** Whether the store was heard and has not been lost since; without, what is known stays as it is. */
  readonly isSynced: boolean;
  /** Since the store was last heard, milliseconds; Infinity: never. */
  readonly ageMs: number;
  readonly size: number;
  /** All that is registered, as far as is known. */
  instances(): readonly ViewInstance[];
  close(): Promise<void>;
}

export interface WatchPorts {
  /** Called with each change, the first list included. */
  onChange(change: ViewChange): void;
  /** Whether requests to this worker still succeed: then the store is doubted rather than the worker. */
  isHealthy(ref: WorkerRef): boolean;
}

/** Where workers say that they are there, and frontends see it. See docs/discovery.md. */
export interface Discovery {
  readonly backend: 'memory' | 'etcd';
  /**
   * Starts to register; the store need not be there yet.
   * @param progress a number that changes while the engine moves or has nothing to do; without one it always does
   */
  register(instance: OwnInstance, progress?: () => number): Promise<Registration>;
  watch(ports: WatchPorts): Watch;
  /** Ends what it has started; registrations are withdrawn. */
  close(): Promise<void>;
}

export interface DiscoveryPorts {
  log(fields: object, message: string): void;
}
