/** What goes into the admission of a pool, and what comes out. See docs/fleet/admission.md. */
import type { AdaptiveLimitOptions } from './adaptive-limit.js';
import type { CodelOptions } from './codel.js';
import type { PrefillRate } from './feasibility.js';

export interface PriorityClass {
  readonly name: string;
  /** Tokens that lower classes must leave free for it. */
  readonly reservedTokens: number;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
  /** After this wait one in four that are served is the one that has waited longest. */
  readonly promoteAfterMs: number;
}

export const DEFAULT_CLASSES: readonly PriorityClass[] = [
  { name: 'interactive', reservedTokens: 0, maxQueue: 256, queueTimeoutMs: 30_000, promoteAfterMs: 5000 },
  { name: 'default', reservedTokens: 0, maxQueue: 512, queueTimeoutMs: 60_000, promoteAfterMs: 30_000 },
  { name: 'bulk', reservedTokens: 0, maxQueue: 1024, queueTimeoutMs: 300_000, promoteAfterMs: 120_000 },
];

export interface PoolAdmissionOptions {
  /** First is served first. Default: interactive, default, bulk. */
  readonly classes?: readonly PriorityClass[];
  /** Tokens in flight; Infinity (default): no fixed limit. Not used with `adaptive`. */
  readonly maxTokens?: number;
  /** Requests in flight. Default Infinity. */
  readonly maxConcurrent?: number;
  /** Bytes of all that wait. Default 64 MiB. */
  readonly maxQueueBytes?: number;
  /** Off unless given. It follows `scheduled`; without such events the limit stays at its initial value. */
  readonly adaptive?: AdaptiveLimitOptions;
  /** Off unless given: a queue may then be long for as long as its time-outs allow. */
  readonly codel?: CodelOptions;
  /** Reject at once what cannot have its first token in time. Default false. */
  readonly feasibility?: boolean;
}

export interface Arrival {
  readonly atMs: number;
  /** Of no other request that waits or runs. */
  readonly id: number;
  readonly tenant: string;
  /** Name of its class; an unknown one counts as `default`, or as the last. */
  readonly priority: string;
  readonly promptTokens: number;
  /** Of them in a cache. */
  readonly cachedTokens: number;
  /** Tokens expected to be generated. */
  readonly expectedTokens: number;
  readonly bytes: number;
  /** By then the first token is wanted; Infinity: at any time. */
  readonly deadlineMs: number;
  /** 0 to 1: up to a fifth is added to Retry-After, so that those refused together do not come back together. */
  readonly random: number;
}

export type RejectReason =
  | 'queue_full'
  | 'queue_bytes'
  | 'queue_timeout'
  | 'deadline'
  | 'infeasible'
  | 'overload';

export type PoolAdmissionEffect =
  | { readonly type: 'admit'; readonly id: number; readonly waitedMs: number }
  | {
      readonly type: 'reject';
      readonly id: number;
      readonly reason: RejectReason;
      /** 1 to 60. */
      readonly retryAfterSeconds: number;
    };

/** What the workers say about room, besides the tokens that are counted here. */
export interface PoolRoom {
  /** At least one worker is below its thresholds. */
  readonly hasRoom: boolean;
  /**
   * Tokens that may be sent before all are above them; default Infinity. More than one may be admitted in a step, and without
   * this a whole queue would be as soon as one worker has room.
   */
  readonly roomTokens?: number;
  /** Bytes that wait in other queues with the same bound; default 0. */
  readonly bytesElsewhere?: number;
  /** Tokens a second that the pool serves, prefill and decode; 0: unknown. */
  readonly tokensPerSecond: number;
  readonly prefill: PrefillRate;
  /** Time between the tokens of a request lately, milliseconds; for the adaptive limit. */
  readonly interTokenMs?: number;
}

export interface PoolAdmission {
  readonly inFlight: number;
  readonly inFlightTokens: number;
  readonly limitTokens: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly queuedTokens: number;
  /** What a tenant has been served, in weighted tokens; 0: it is not known any more. */
  served(tenant: string): number;
  arrive(arrival: Arrival, room: PoolRoom): readonly PoolAdmissionEffect[];
  /**
   * Whether any request of a class would be refused now, whoever sends it and whatever its size: then it need not be read.
   * False where that is not certain. @param hasRoom asked only where it matters
   */
  isFull(priority: string, atMs: number, hasRoom: () => boolean): boolean;
  /** The worker has begun with an admitted request, which had waited there for so long. */
  scheduled(id: number, waitMs: number): void;
  /** Tokens that came for an admitted request. The first say that its prefill is over. */
  progress(id: number, tokens: number): void;
  /** Once for each admitted request. */
  release(id: number, atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** The client has left the queue. */
  abandon(id: number, atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** At `nextTimerMs`, and when the room has changed. */
  tick(atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** Infinity: never. */
  nextTimerMs(): number;
}
