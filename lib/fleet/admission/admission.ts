/**
 * Who is served, who waits and who is refused, in front of a pool of workers. Mutable; times and random numbers come with
 * the events. See docs/fleet/admission.md.
 */
import { createArrivals } from './arrivals.js';
import { createCodel } from './codel.js';
import { createFairQueue, type Waiting } from './fair-queue.js';
import { createFullness } from './fullness.js';
import { createInFlight } from './in-flight.js';
import { createLateness } from './lateness.js';
import { createLimiter } from './limiter.js';
import { createPromotion } from './promotion.js';
import { retryAfterSeconds } from './retry-after.js';
import {
  DEFAULT_CLASSES,
  type PoolAdmission,
  type PoolAdmissionEffect,
  type PoolAdmissionOptions,
  type PoolRoom,
  type RejectReason,
} from './types.js';

export * from './types.js';

const NEVER = Number.POSITIVE_INFINITY;

export function createPoolAdmission(options: PoolAdmissionOptions = {}): PoolAdmission {
  const { classes = DEFAULT_CLASSES, maxTokens = NEVER, maxConcurrent = NEVER } = options;
  const maxQueueBytes = options.maxQueueBytes ?? 64 * 1024 * 1024;
  const { levelOf, waitingOf } = createArrivals(classes);
  const queue = createFairQueue(classes.length);
  const promotion = createPromotion(classes, queue);
  const running = createInFlight(classes.length);
  const codel = options.codel === undefined ? null : createCodel(options.codel);
  const limiter = createLimiter(options.adaptive === undefined ? maxTokens : options.adaptive);
  const fullness = createFullness({ classes, maxConcurrent, queue, running, limiter, codel });
  /** Admitted in this step; the room was told before it. */
  let admittedTokens = 0;

  /** Whatever its size, one request alone has room: it would never be served otherwise. */
  function fits({ level, tokens }: Waiting, room: PoolRoom): boolean {
    if (!room.hasRoom || running.count >= maxConcurrent) return false;
    if (admittedTokens > 0 && admittedTokens + tokens > (room.roomTokens ?? NEVER)) return false;
    if (running.count === 0) return true;
    let reserved = 0;
    for (let above = 0; above < level; above += 1)
      reserved += Math.max(0, (classes[above]?.reservedTokens ?? 0) - running.tokensOf(above));
    return running.tokens + tokens + reserved <= limiter.tokens;
  }

  function isOverloaded(atMs: number): boolean {
    if (codel === null) return false;
    let sinceMs = atMs;
    for (let level = 0; level < classes.length; level += 1)
      sinceMs = Math.min(sinceMs, queue.oldest(level)?.sinceMs ?? atMs);
    return codel.isOverloaded(atMs, atMs - sinceMs);
  }

  const lateness =
    options.feasibility === true ? createLateness({ queue, running, limiter, isOverloaded }) : null;

  function admit({ id, sinceMs }: Waiting, atMs: number, out: PoolAdmissionEffect[]): void {
    const waiting = queue.admit(id);
    if (waiting === null) return;
    running.add(waiting);
    admittedTokens += waiting.tokens;
    codel?.scheduled(atMs - sinceMs);
    out.push({ type: 'admit', id, waitedMs: atMs - sinceMs });
  }

  function reject(waiting: Waiting, reason: RejectReason, room: PoolRoom, out: PoolAdmissionEffect[]): void {
    queue.remove(waiting.id);
    const ahead = queue.tokens + running.tokens;
    const seconds = retryAfterSeconds(ahead, limiter.tokens, room.tokensPerSecond, waiting.random);
    out.push({ type: 'reject', id: waiting.id, reason, retryAfterSeconds: seconds });
  }

  /** Nobody leaves the queue after its time but as a rejection. */
  function expire(atMs: number, room: PoolRoom, out: PoolAdmissionEffect[]): void {
    for (let late = queue.nextToExpire(); late !== null; late = queue.nextToExpire()) {
      if (late.untilMs > atMs) return;
      reject(late, late.untilMs === late.deadlineMs ? 'deadline' : 'queue_timeout', room, out);
    }
  }

  /** The first by class, then by tenant; and if it has no room, whoever has tokens that are reserved for its class. */
  function next(room: PoolRoom, newestFirst: boolean, holdsUp: boolean): Waiting | null {
    let isFirst = !holdsUp;
    for (let level = 0; level < classes.length; level += 1) {
      const waiting = queue.peek(level, newestFirst);
      if (waiting === null) continue;
      const own = (classes[level]?.reservedTokens ?? 0) - running.tokensOf(level);
      if ((isFirst || waiting.tokens <= own) && fits(waiting, room)) return waiting;
      isFirst = false;
    }
    return null;
  }

  function serve(atMs: number, room: PoolRoom, out: PoolAdmissionEffect[]): PoolAdmissionEffect[] {
    admittedTokens = 0;
    limiter.adapt(atMs, running.tokens, room.interTokenMs);
    expire(atMs, room, out);
    const newestFirst = isOverloaded(atMs);
    admitAll(atMs, newestFirst, room, out);
    if (newestFirst)
      for (let late = tooLate(atMs); late !== null; late = tooLate(atMs)) {
        reject(late, 'overload', room, out);
        // It may have held up others, for which there is room now.
        admitAll(atMs, newestFirst, room, out);
      }
    if (queue.length === 0) codel?.emptied();
    return out;
  }

  function admitAll(atMs: number, newestFirst: boolean, room: PoolRoom, out: PoolAdmissionEffect[]): void {
    for (;;) {
      const promoted = promotion.next(atMs);
      const isPromoted = promoted !== null && fits(promoted, room);
      // One that has no room yet holds up all others, or it would never have; but not those with tokens of their own.
      const waiting = isPromoted ? promoted : next(room, newestFirst, promoted !== null);
      if (waiting === null) return;
      if (lateness?.isLate(waiting, atMs, room) === true) reject(waiting, 'infeasible', room, out);
      else {
        admit(waiting, atMs, out);
        promotion.served(isPromoted);
      }
    }
  }

  /** Under overload the oldest are not waited for any longer. */
  function tooLate(atMs: number): Waiting | null {
    if (codel === null) return null;
    const beforeMs = atMs - 2 * codel.targetMs;
    for (let level = 0; level < classes.length; level += 1) {
      const oldest = queue.oldest(level);
      if (oldest !== null && oldest.sinceMs < beforeMs) return oldest;
    }
    return null;
  }

  function refusal(waiting: Waiting, room: PoolRoom): RejectReason | null {
    if (lateness?.willBeLate(waiting, waiting.sinceMs, room) === true) return 'infeasible';
    if (queue.lengthOf(waiting.level) > (classes[waiting.level]?.maxQueue ?? 0)) return 'queue_full';
    // A request larger than the whole queue may still wait where nothing else does.
    const { bytesElsewhere = 0 } = room;
    const isAlone = queue.length === 1 && bytesElsewhere === 0;
    return !isAlone && queue.bytes + bytesElsewhere > maxQueueBytes ? 'queue_bytes' : null;
  }

  return {
    get inFlight() {
      return running.count;
    },
    get inFlightTokens() {
      return running.tokens;
    },
    get limitTokens() {
      return limiter.tokens;
    },
    get queued() {
      return queue.length;
    },
    get queuedBytes() {
      return queue.bytes;
    },
    get queuedTokens() {
      return queue.tokens;
    },
    served: queue.counter,
    arrive(arrival, room) {
      const waiting = waitingOf(arrival);
      queue.push(waiting);
      const out = serve(arrival.atMs, room, []);
      const reason = queue.has(waiting.id) ? refusal(waiting, room) : null;
      if (reason !== null) reject(waiting, reason, room, out);
      return out;
    },
    isFull: (priority, atMs, hasRoom) => fullness.isFull(levelOf(priority), atMs, hasRoom),
    scheduled(_id, waitMs) {
      limiter.waited(waitMs);
    },
    progress(id, tokens) {
      const tenant = running.progress(id, tokens);
      if (tenant !== null) queue.charge(tenant, tokens);
    },
    release(id, atMs, room) {
      const tenant = running.remove(id);
      if (tenant === null) return [];
      queue.release(tenant);
      return serve(atMs, room, []);
    },
    abandon: (id, atMs, room) => (queue.remove(id) === null ? [] : serve(atMs, room, [])),
    tick: (atMs, room) => serve(atMs, room, []),
    nextTimerMs: () => {
      const stepMs = limiter.isAdaptive || (codel !== null && queue.length > 0) ? limiter.nextStepMs : NEVER;
      return Math.min(stepMs, queue.nextToExpire()?.untilMs ?? NEVER);
    },
  };
}
