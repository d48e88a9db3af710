import { InferenceHealthError, withoutStack } from '../errors.js';
import type { RejectionReason } from './policy.js';

/** A place among the requests that may run. */
export interface Permit {
  /** Milliseconds in the queue; 0 without a wait. */
  readonly waitedMs: number;
  /** Gives the place to the next. Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

export interface AdmitOptions {
  /** The client's signal: aborting it leaves the queue (`ERR_CANCELLED`). The permit, once given, is not affected. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now to the end of the request: it does not wait longer than that. Default: none. */
  readonly deadlineMs?: number;
  /** Size of the request in bytes, for `limits.maxQueueBytes`. Default 0. */
  readonly bytes?: number;
}

/** What `admit()` and calls of a served endpoint reject with when a request is refused. */
export type RejectionError = InferenceHealthError & {
  readonly reason: RejectionReason;
  /** 503; 504 where the deadline of the request passed in the queue. Read by fastify and express. */
  readonly statusCode: number;
  /** For the header `Retry-After`: whole seconds from the observed service rate, 1 to 60. */
  readonly retryAfterSeconds: number;
  /** Read by express: `{ 'retry-after': '3' }`. */
  readonly headers: Readonly<Record<string, string>>;
};

const TEXTS: Readonly<Record<RejectionReason, string>> = {
  queue_full: 'too many requests at once, and the queue is full',
  queue_bytes: 'too many requests at once, and the queue holds too many bytes',
  queue_timeout: 'too many requests at once, and none ended in time for this one',
  deadline: 'the deadline of the request passed while it waited',
  draining: 'the process is draining and takes no new requests',
};

export function rejectionError(reason: RejectionReason, retryAfterSeconds: number): RejectionError {
  const code =
    reason === 'draining' ? 'ERR_DRAINING' : reason === 'deadline' ? 'ERR_DEADLINE' : 'ERR_OVERLOADED';
  const error = withoutStack(() => new InferenceHealthError(code, TEXTS[reason]));
  return Object.assign(error, {
    reason,
    statusCode: reason === 'deadline' ? 504 : 503,
    retryAfterSeconds,
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}

export interface Admission {
  /** @throws RejectionError, or InferenceHealthError ERR_CANCELLED (as rejections) */
  admit(options?: AdmitOptions): Promise<Permit>;
  /** While the process drains, new requests and those that wait are refused. Called by the drain. */
  setRefusing(refuses: boolean): void;
  isRefusing(): boolean;
  /** Requests that hold a permit now, and that wait for one. */
  counts(): { readonly admitted: number; readonly queued: number };
}
