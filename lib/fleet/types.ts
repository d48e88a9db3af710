/** Words that every machine of the fleet shares. Times are monotonic milliseconds of the process that runs the machine. */

/** A worker's place in the fleet; it survives restarts. */
export type WorkerId = string;
/** One life of a worker, a fencing token: counters, ejections and frames of an older one count for nothing. */
export type Incarnation = string;
export type RequestId = string;

export interface WorkerRef {
  readonly worker: WorkerId;
  readonly incarnation: Incarnation;
}

/**
 * How an attempt at a worker ended, as far as policy tells them apart. `not_sent`: no byte of the request left, so that a
 * retry is free. `draining` and `shutdown` are planned. `overloaded`: the worker answered 429, 503 or 529. `numerical`:
 * the engine computed NaN. `invalid`: the request itself is wrong (any other 4xx).
 */
export type Outcome =
  | 'success'
  | 'not_sent'
  | 'connect'
  | 'reset'
  | 'truncated'
  | 'stalled'
  | 'shutdown'
  | 'draining'
  | 'overloaded'
  | 'gap'
  | 'diverged'
  | 'engine_error'
  | 'numerical'
  | 'invalid'
  | 'unsupported'
  | 'cancelled'
  | 'deadline'
  | 'no_workers';

/** Why a choice ended, in the words of the OpenAI API where it has one. */
export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'cancelled' | 'error';
