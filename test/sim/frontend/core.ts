/** What the parts of one simulated frontend share, and what it keeps of each worker and each request. */
import type { Ejector, Generation } from '../../../lib/fleet/ejector.js';
import type { LoadView, Permit } from '../../../lib/fleet/load-view.js';
import type { LogicalRequest } from '../../../lib/fleet/logical-request.js';
import type { ServedRequest } from '../../../lib/fleet/service-rate.js';
import type { WorkerRef } from '../../../lib/fleet/types.js';
import type { WorkerCondition, WorkerHealth } from '../../../lib/fleet/worker-health.js';
import type { SimClient } from '../client.js';
import type { Actor, Clock } from '../kernel.js';
import type { RequestSpec } from '../scenario.js';
import type { Connection } from '../worker.js';
import type { World } from '../world.js';
import type { Entry } from './admission.js';

export interface Attempt {
  readonly ref: WorkerRef;
  readonly generation: Generation | null;
  readonly permit: Permit;
  readonly connection: Connection;
  readonly isTrial: boolean;
  readonly served: ServedRequest;
  /** Ejections of the worker that this frontend had seen when it was sent. */
  readonly seenTurns: number;
}

export interface Choice {
  readonly attempts: Map<number, Attempt>;
  readonly failedOn: WorkerRef[];
  length: number;
  appendedBy: number;
}

/** A request that has not ended, or whose attempts have not. */
export interface Open {
  readonly spec: RequestSpec;
  readonly logical: LogicalRequest;
  readonly client: SimClient;
  readonly choices: Choice[];
  readonly place: Entry;
  hasToken: boolean;
  timerMs: number;
  isOver: boolean;
}

/** A worker as this frontend sees it. */
export interface Seen {
  readonly ref: WorkerRef;
  readonly health: WorkerHealth;
  condition: WorkerCondition;
  trials: number;
  /** Times its ejection began or ended. */
  turns: number;
  isOut: boolean;
  /** When requests failed there. */
  strikes: number[];
}

export interface Core {
  readonly world: World;
  readonly actor: Actor;
  readonly ejector: Ejector;
  readonly loadView: LoadView;
  /** By name: a worker has one life at a time. */
  readonly seen: Map<string, Seen>;
  readonly open: Set<Open>;
  find(ref: WorkerRef): Seen | undefined;
  stamp(): { atMs: number; random: number };
  /** So much virtual time by its own clock. */
  toLocal(ms: number): number;
}

export const keyOf = ({ worker, incarnation }: WorkerRef): string => `${worker}#${incarnation}`;

export const isSameLife = (a: WorkerRef, b: WorkerRef): boolean =>
  a === b || (a.incarnation === b.incarnation && a.worker === b.worker);

export function createCore(world: World, actor: Actor, { rate }: Clock): Core {
  const seen = new Map<string, Seen>();
  return {
    world,
    actor,
    ejector: world.machines.createEjector(),
    loadView: world.machines.createLoadView(),
    seen,
    open: new Set(),
    find(ref) {
      const at = seen.get(ref.worker);
      return at !== undefined && at.ref.incarnation === ref.incarnation ? at : undefined;
    },
    stamp: () => ({ atMs: actor.now(), random: world.random.next() }),
    toLocal: (ms) => ms * rate,
  };
}
