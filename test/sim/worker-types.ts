/** A worker as frontends and faults see it. */
import type { WorkerRef } from '../../lib/fleet/types.js';
import type { Beacon } from '../../lib/fleet/worker-health.js';
import type { AttemptHandler, EngineFaults, Submit } from './engine-types.js';
import type { Actor } from './kernel.js';
import type { WorkerSpec } from './scenario.js';

export interface Connection {
  submit(submit: Submit): void;
  cancel(): void;
}

export interface SimWorker extends EngineFaults {
  readonly name: string;
  readonly spec: WorkerSpec;
  readonly actor: Actor;
  readonly ref: WorkerRef;
  /** Nothing is wrong with it now, and it takes requests. */
  isWell(): boolean;
  isOverloaded: boolean;
  start(): void;
  connect(from: Actor, handler: AttemptHandler): Connection;
  die(isHalfOpen: boolean): void;
  revive(): void;
  drain(): void;
  /** Wakes the engine after a hang. */
  wake(): void;
}

export type BeaconMessage = Omit<Beacon, 'atMs'> & {
  readonly ref: WorkerRef;
  readonly activeTokens: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
  readonly prefillTokens: number;
  readonly queued: number;
  readonly maxBatchedTokens: number;
};
