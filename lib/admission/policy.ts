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
  /** Start of each admitted request, by id. */
  readonly admitted: ReadonlyMap<number, number>;
  readonly queue: readonly Waiter[];
  readonly queuedBytes: number;
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
  | { readonly type: 'release'; readonly atMs: number; readonly id: number }
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
