/**
 * Who is served, who waits and who is refused, in front of a pool of workers. Mutable; times and random numbers come with
 * the events. See docs/fleet/admission.md.
 */
import { type AdaptiveLimitOptions, initialLimit, stepLimit } from './adaptive-limit.js';
import { type CodelOptions, createCodel } from './codel.js';
import { createFairQueue, type Waiting } from './fair-queue.js';
import { expectedFirstTokenMs, type PrefillRate } from './feasibility.js';
import { retryAfterSeconds } from './retry-after.js';

export interface PriorityClass {
  readonly name: string;
  /** Tokens that lower classes must leave free for it. */
  readonly reservedTokens: number;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
  /** After this wait it is served before all others. */
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
  /** Off unless given. */
  readonly adaptive?: AdaptiveLimitOptions;
  readonly codel?: CodelOptions;
  /** Reject at once what cannot have its first token in time. Default false. */
  readonly feasibility?: boolean;
}

export interface Arrival {
  readonly atMs: number;
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
      readonly retryAfterSeconds: number;
    };

/** What the workers say about room, besides the tokens that are counted here. */
export interface PoolRoom {
  /** At least one worker is below its thresholds. */
  readonly hasRoom: boolean;
  /** Tokens a second that the pool serves, prefill and decode; 0: unknown. */
  readonly tokensPerSecond: number;
  readonly prefill: PrefillRate;
}

export interface PoolAdmission {
  readonly inFlight: number;
  readonly inFlightTokens: number;
  readonly limitTokens: number;
  readonly queued: number;
  arrive(arrival: Arrival, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** Tokens that came for an admitted request: what is still expected of it is less. */
  progress(id: number, tokens: number): void;
  /** Once for each admitted request. */
  release(id: number, atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** The client has left the queue. */
  abandon(id: number, atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  /** At least once a second, and when the room has changed. */
  tick(atMs: number, room: PoolRoom): readonly PoolAdmissionEffect[];
  nextTimerMs(): number;
}

interface Running {
  readonly tenant: string;
  readonly level: number;
  tokens: number;
}

const SECOND_MS = 1000;

export function createPoolAdmission(options: PoolAdmissionOptions = {}): PoolAdmission {
  const classes = options.classes ?? DEFAULT_CLASSES;
  const { maxTokens = Number.POSITIVE_INFINITY, maxConcurrent = Number.POSITIVE_INFINITY } = options;
  const maxQueueBytes = options.maxQueueBytes ?? 64 * 1024 * 1024;
  const queue = createFairQueue(classes.length);
  const codel = createCodel(options.codel);
  const running = new Map<number, Running>();
  const tokensOf = classes.map(() => 0);
  const prompts = new Map<number, number>();
  let limit = options.adaptive === undefined ? null : initialLimit(options.adaptive);
  let inFlightTokens = 0;
  let stepAtMs = Number.NEGATIVE_INFINITY;
  let waits: number[] = [];

  const limitTokens = (): number => limit?.tokens ?? maxTokens;

  function levelOf(priority: string): number {
    const named = classes.findIndex(({ name }) => name === priority);
    if (named >= 0) return named;
    const fallback = classes.findIndex(({ name }) => name === 'default');
    return fallback >= 0 ? fallback : classes.length - 1;
  }

  /** Whatever its size, one request alone has room: it would never be served otherwise. */
  function fits(level: number, tokens: number, room: PoolRoom): boolean {
    if (!room.hasRoom || running.size >= maxConcurrent) return false;
    let reserved = 0;
    for (let above = 0; above < level; above += 1)
      reserved += Math.max(0, (classes[above]?.reservedTokens ?? 0) - (tokensOf[above] ?? 0));
    return running.size === 0 || inFlightTokens + tokens + reserved <= limitTokens();
  }

  function admit(waiting: Waiting, atMs: number, out: PoolAdmissionEffect[]): void {
    const { id, tenant, level, tokens, sinceMs } = waiting;
    running.set(id, { tenant, level, tokens });
    inFlightTokens += tokens;
    tokensOf[level] = (tokensOf[level] ?? 0) + tokens;
    queue.running(tenant, 1);
    queue.charge(tenant, prompts.get(id) ?? 0, 0);
    prompts.delete(id);
    codel.scheduled(atMs - sinceMs, atMs);
    waits.push(atMs - sinceMs);
    out.push({ type: 'admit', id, waitedMs: atMs - sinceMs });
  }

  function reject(
    id: number,
    reason: RejectReason,
    room: PoolRoom,
    random: number,
    out: PoolAdmissionEffect[],
  ): void {
    prompts.delete(id);
    const seconds = retryAfterSeconds(
      queue.tokens + inFlightTokens,
      limitTokens(),
      room.tokensPerSecond,
      random,
    );
    out.push({ type: 'reject', id, reason, retryAfterSeconds: seconds });
  }

  /** Nobody leaves the queue after its time but as a rejection. */
  function expire(atMs: number, room: PoolRoom, out: PoolAdmissionEffect[]): void {
    if (queue.length === 0) return;
    for (const { id, isDeadline } of queue.take(({ untilMs }) => untilMs <= atMs))
      reject(id, isDeadline ? 'deadline' : 'queue_timeout', room, 0, out);
    if (!codel.isOverloaded(atMs)) return;
    for (const { id } of queue.take(({ sinceMs }) => atMs - sinceMs > 2 * codel.targetMs))
      reject(id, 'overload', room, 0, out);
  }

  function next(atMs: number): Waiting | null {
    const newestFirst = codel.isOverloaded(atMs);
    // Who has waited too long for its class goes before everybody.
    for (let level = classes.length - 1; level > 0; level -= 1) {
      if (atMs - queue.oldestMs(level) >= (classes[level]?.promoteAfterMs ?? 0))
        return queue.peek(level, false);
    }
    for (let level = 0; level < classes.length; level += 1) {
      const first = queue.peek(level, newestFirst);
      if (first !== null) return first;
    }
    return null;
  }

  function serve(atMs: number, room: PoolRoom): PoolAdmissionEffect[] {
    const out: PoolAdmissionEffect[] = [];
    adapt(atMs);
    expire(atMs, room, out);
    for (let waiting = next(atMs); waiting !== null; waiting = next(atMs)) {
      if (!fits(waiting.level, waiting.tokens, room)) return out;
      queue.remove(waiting.id);
      admit(waiting, atMs, out);
    }
    codel.emptied(atMs);
    return out;
  }

  function adapt(atMs: number): void {
    if (atMs < stepAtMs) return;
    const isFirst = stepAtMs === Number.NEGATIVE_INFINITY;
    stepAtMs = atMs + SECOND_MS;
    if (limit !== null && !isFirst) {
      // Those that wait still have waited at least so long; left out they would make a standing queue look short.
      waits.sort((a, b) => a - b);
      limit = stepLimit(limit, waits[Math.floor(waits.length / 2)] ?? Number.NaN, inFlightTokens);
    }
    waits = [];
  }

  return {
    get inFlight() {
      return running.size;
    },
    get inFlightTokens() {
      return inFlightTokens;
    },
    get limitTokens() {
      return limitTokens();
    },
    get queued() {
      return queue.length;
    },
    arrive(arrival, room) {
      const { atMs, id, tenant, promptTokens, cachedTokens, expectedTokens, bytes, deadlineMs, random } =
        arrival;
      const out = serve(atMs, room);
      const level = levelOf(arrival.priority);
      const ownTokens = Math.max(0, promptTokens - cachedTokens);
      const tokens = ownTokens + expectedTokens;
      const timeoutMs = atMs + (classes[level]?.queueTimeoutMs ?? 0);
      const isDeadline = deadlineMs <= timeoutMs;
      const untilMs = isDeadline ? deadlineMs : timeoutMs;
      const waiting: Waiting = { id, tenant, level, tokens, bytes, sinceMs: atMs, untilMs, isDeadline };
      prompts.set(id, promptTokens);
      if (deadlineMs <= atMs) {
        reject(id, 'deadline', room, random, out);
        return out;
      }
      if (queue.length === 0 && fits(level, tokens, room)) {
        admit(waiting, atMs, out);
        return out;
      }
      const expectedMs = expectedFirstTokenMs(room.prefill, queue.tokens, ownTokens);
      if (options.feasibility === true && atMs + expectedMs > deadlineMs)
        reject(id, 'infeasible', room, random, out);
      else if (queue.lengthOf(level) >= (classes[level]?.maxQueue ?? 0))
        reject(id, 'queue_full', room, random, out);
      else if (queue.length > 0 && queue.bytes + bytes > maxQueueBytes)
        reject(id, 'queue_bytes', room, random, out);
      else {
        queue.push(waiting);
        // A class that may use what others may not.
        out.push(...serve(atMs, room));
      }
      return out;
    },
    progress(id, tokens) {
      const request = running.get(id);
      if (request === undefined) return;
      queue.charge(request.tenant, 0, tokens);
      const done = Math.min(tokens, request.tokens);
      request.tokens -= done;
      inFlightTokens -= done;
      tokensOf[request.level] = (tokensOf[request.level] ?? 0) - done;
    },
    release(id, atMs, room) {
      const request = running.get(id);
      if (request === undefined) return [];
      running.delete(id);
      inFlightTokens -= request.tokens;
      tokensOf[request.level] = (tokensOf[request.level] ?? 0) - request.tokens;
      queue.running(request.tenant, -1);
      return serve(atMs, room);
    },
    abandon(id, atMs, room) {
      prompts.delete(id);
      return queue.remove(id) === null ? [] : serve(atMs, room);
    },
    tick: serve,
    nextTimerMs: () =>
      queue.length === 0 && limit === null
        ? Number.POSITIVE_INFINITY
        : Math.min(stepAtMs, queue.nextExpiryMs()),
  };
}
