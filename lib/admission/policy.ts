/**
 * Who may run: a hard cap of concurrent requests and a bounded queue before it, first come first served. Pure: times are
 * monotonic milliseconds and travel in the events.
 */
export interface AdmissionLimits {
  /** Requests at once; Infinity: no cap, and then nothing ever waits. */
  readonly maxConcurrent: number;
  /** Requests that may wait; 0: none. */
  readonly maxQueue: number;
  /** Longest wait in milliseconds. */
  readonly queueTimeoutMs: number;
  /** Bytes of all waiting requests together, as far as they are told; Infinity: not counted. */
  readonly maxQueueBytes: number;
}

export const NO_LIMITS: AdmissionLimits = {
  maxConcurrent: Number.POSITIVE_INFINITY,
  maxQueue: 0,
  queueTimeoutMs: 10_000,
  maxQueueBytes: Number.POSITIVE_INFINITY,
};

/** Values of the label `reason` of `rejections_total`. */
export const REJECTION_REASONS = [
  'queue_full',
  'queue_bytes',
  'queue_timeout',
  'deadline',
  'draining',
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

interface Waiter {
  readonly id: number;
  readonly bytes: number;
  readonly sinceMs: number;
  /** End of the wait: the queue's time or the request's deadline, whichever comes first. */
  readonly untilMs: number;
  readonly isDeadline: boolean;
}

export interface AdmissionState {
  readonly limits: AdmissionLimits;
  /** False while the process drains. */
  readonly isOpen: boolean;
  /** Requests that run now. */
  readonly admitted: number;
  /** Since when at least one runs. */
  readonly busySinceMs: number;
  readonly queue: readonly Waiter[];
  readonly queuedBytes: number;
  /** End of the shortest wait in the queue; Infinity while it is empty. */
  readonly nextExpiryMs: number;
  /** Mean time that a request occupies its place, weighted towards the latest; null before the first has ended. */
  readonly serviceMs: number | null;
}

export type AdmissionEvent =
  | {
      readonly type: 'arrive';
      readonly atMs: number;
      readonly id: number;
      readonly bytes: number;
      /** Infinity: none. */
      readonly deadlineAtMs: number;
      /** 0 to 1: spreads the answers of clients that were refused together. */
      readonly random: number;
    }
  /** Once for each request that was admitted. */
  | { readonly type: 'release'; readonly atMs: number; readonly admittedAtMs: number }
  /** The client has left the queue. */
  | { readonly type: 'abandon'; readonly atMs: number; readonly id: number }
  | { readonly type: 'time'; readonly atMs: number }
  | { readonly type: 'open' | 'shut'; readonly atMs: number };

export type AdmissionEffect =
  | { readonly type: 'admit'; readonly id: number; readonly waitedMs: number }
  | {
      readonly type: 'reject';
      readonly id: number;
      readonly reason: RejectionReason;
      /** Whole seconds, 1 to 60. */
      readonly retryAfterSeconds: number;
    };

export interface AdmissionStep {
  readonly state: AdmissionState;
  readonly effects: readonly AdmissionEffect[];
}

const NEVER = Number.POSITIVE_INFINITY;
const NOTHING: readonly AdmissionEffect[] = [];
/** Weight of the latest request in the mean service time: about the last ten count. */
const LATEST = 0.2;
const RETRY_AFTER_MAX_SECONDS = 60;

export function openAdmission(limits: AdmissionLimits): AdmissionState {
  return {
    limits,
    isOpen: true,
    admitted: 0,
    busySinceMs: 0,
    queue: [],
    queuedBytes: 0,
    nextExpiryMs: NEVER,
    serviceMs: null,
  };
}

/** When the machine wants a `time` event next; Infinity: never. */
export function wakeAtMs({ nextExpiryMs }: AdmissionState): number {
  return nextExpiryMs;
}

/**
 * Whole seconds until a place in the queue may be expected: what waits, by the rate at which all places together serve.
 * Before any request has ended, the age of the oldest is the best that is known about how long they take.
 * @param random 0 to 1: up to a fifth is added, so that those refused together do not come back together
 */
export function retryAfterSeconds(state: AdmissionState, atMs: number, random: number): number {
  const { admitted, queue, limits, serviceMs, isOpen } = state;
  // Another worker may take it at once, and this one will not come back.
  if (!isOpen) return 1;
  const perRequestMs = serviceMs ?? (admitted > 0 ? atMs - state.busySinceMs : 0);
  const places = Math.min(limits.maxConcurrent, Math.max(1, admitted));
  const waitMs = (perRequestMs * (queue.length + 1)) / places;
  const seconds = Math.ceil((waitMs / 1000) * (1 + 0.2 * random));
  return Math.min(RETRY_AFTER_MAX_SECONDS, Math.max(1, seconds));
}

export function stepAdmission(state: AdmissionState, event: AdmissionEvent): AdmissionStep {
  // Whatever happens, what has waited too long is out first: nobody leaves the queue after its time but as a rejection.
  const expired = expire(state, event.atMs);
  const { state: next, effects } = apply(expired.state, event);
  if (expired.effects === NOTHING) return { state: next, effects };
  return { state: next, effects: [...expired.effects, ...effects] };
}

function apply(state: AdmissionState, event: AdmissionEvent): AdmissionStep {
  switch (event.type) {
    case 'arrive':
      return arrive(state, event);
    case 'release': {
      const tookMs = Math.max(0, event.atMs - event.admittedAtMs);
      const serviceMs =
        state.serviceMs === null ? tookMs : state.serviceMs + LATEST * (tookMs - state.serviceMs);
      return fill({ ...state, admitted: state.admitted - 1, serviceMs }, event.atMs);
    }
    case 'abandon':
      return {
        state: withQueue(
          state,
          state.queue.filter(({ id }) => id !== event.id),
        ),
        effects: NOTHING,
      };
    case 'time':
      return { state, effects: NOTHING };
    case 'open':
      return { state: { ...state, isOpen: true }, effects: NOTHING };
    case 'shut': {
      const effects = state.queue.map(({ id }) => reject(id, 'draining', 1));
      return { state: { ...state, isOpen: false, ...EMPTY_QUEUE }, effects };
    }
  }
}

function arrive(state: AdmissionState, event: AdmissionEvent & { type: 'arrive' }): AdmissionStep {
  const { atMs, id, bytes, deadlineAtMs } = event;
  const { limits, queue, admitted } = state;
  const refuse = (reason: RejectionReason): AdmissionStep => ({
    state,
    effects: [reject(id, reason, retryAfterSeconds(state, atMs, event.random))],
  });
  if (!state.isOpen) return refuse('draining');
  if (deadlineAtMs <= atMs) return refuse('deadline');
  if (admitted < limits.maxConcurrent) {
    return {
      state: { ...state, admitted: admitted + 1, busySinceMs: admitted === 0 ? atMs : state.busySinceMs },
      effects: [{ type: 'admit', id, waitedMs: 0 }],
    };
  }
  if (queue.length >= limits.maxQueue) return refuse('queue_full');
  // A request larger than the whole queue may still wait where nothing else does: it would never be served otherwise.
  if (queue.length > 0 && state.queuedBytes + bytes > limits.maxQueueBytes) return refuse('queue_bytes');
  const timeoutAtMs = atMs + limits.queueTimeoutMs;
  const isDeadline = deadlineAtMs <= timeoutAtMs;
  const waiter: Waiter = {
    id,
    bytes,
    sinceMs: atMs,
    untilMs: isDeadline ? deadlineAtMs : timeoutAtMs,
    isDeadline,
  };
  return {
    state: {
      ...state,
      queue: [...queue, waiter],
      queuedBytes: state.queuedBytes + bytes,
      nextExpiryMs: Math.min(state.nextExpiryMs, waiter.untilMs),
    },
    effects: NOTHING,
  };
}

/** Gives free places to those who have waited longest. */
function fill(state: AdmissionState, atMs: number): AdmissionStep {
  const free = Math.min(state.queue.length, state.limits.maxConcurrent - state.admitted);
  if (free <= 0) return { state, effects: NOTHING };
  const effects = state.queue
    .slice(0, free)
    .map(({ id, sinceMs }): AdmissionEffect => ({ type: 'admit', id, waitedMs: atMs - sinceMs }));
  const left = withQueue(state, state.queue.slice(free));
  return { state: { ...left, admitted: state.admitted + free }, effects };
}

function expire(state: AdmissionState, atMs: number): AdmissionStep {
  if (atMs < state.nextExpiryMs) return { state, effects: NOTHING };
  const late = state.queue.filter(({ untilMs }) => untilMs <= atMs);
  const kept = withQueue(
    state,
    state.queue.filter(({ untilMs }) => untilMs > atMs),
  );
  const seconds = retryAfterSeconds(kept, atMs, 0);
  const effects = late.map(({ id, isDeadline }) =>
    reject(id, isDeadline ? 'deadline' : 'queue_timeout', seconds),
  );
  return { state: kept, effects };
}

const EMPTY_QUEUE = { queue: [], queuedBytes: 0, nextExpiryMs: NEVER } as const;

function withQueue(state: AdmissionState, queue: readonly Waiter[]): AdmissionState {
  let queuedBytes = 0;
  let nextExpiryMs = NEVER;
  for (const waiter of queue) {
    queuedBytes += waiter.bytes;
    nextExpiryMs = Math.min(nextExpiryMs, waiter.untilMs);
  }
  return { ...state, queue, queuedBytes, nextExpiryMs };
}

const reject = (id: number, reason: RejectionReason, seconds: number): AdmissionEffect => ({
  type: 'reject',
  id,
  reason,
  retryAfterSeconds: seconds,
});
