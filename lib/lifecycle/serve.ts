import type { RequestScope } from './active-scopes.js';
import type { EndpointReadiness } from './claims.js';

/**
 * Answers one request with frames. End early when `scope.stopSignal` aborts, at once when `scope.signal` does. What it
 * throws reaches the caller, and the GPU policy if it is about a GPU.
 */
export type Handler<Request, Frame> = (request: Request, scope: RequestScope) => AsyncIterable<Frame>;

export interface ServeOptions {
  /** False: the endpoint stays not ready until `ready()` is called. Default true. */
  readonly ready?: boolean;
  /** Milliseconds that every request has at most; a call may have less. Default: no limit. */
  readonly deadlineMs?: number;
  /** Milliseconds from a stop to the kill. Default 2000. */
  readonly escalateMs?: number;
  /** What the canary sends to this endpoint, instead of `canary.payload`. */
  readonly canaryPayload?: object;
  /** When the client's signal aborts. Default `{ action: 'stop', graceMs: 0 }`. */
  readonly onDisconnect?: { readonly action?: 'stop' | 'kill' | 'continue'; readonly graceMs?: number };
}

export interface CallOptions {
  /** The client's: aborting it means that the client is gone, and `onDisconnect` decides. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now; passing it kills the request (`ERR_DEADLINE`). Default: none. */
  readonly deadlineMs?: number;
  /** For `cancel(id)`, which may even come before the call. Default: a unique one. */
  readonly id?: string;
  /** Size of the request, for `limits.maxQueueBytes`. */
  readonly bytes?: number;
  /** The package's own canary: not counted among the requests and not subject to the limits. */
  readonly isCanary?: boolean;
}

/** A call that is under way; iterate it once. */
export interface ServedCall<Frame> extends AsyncIterableIterator<Frame> {
  readonly id: string;
  return(): Promise<IteratorResult<Frame>>;
}

/** An endpoint with its handler: call it from the route of any framework. */
export interface ServedEndpoint<Request, Frame> {
  readonly name: string;
  /**
   * Runs the handler for one request. Nothing happens before the first `next()`, which rejects with `ERR_OVERLOADED` or
   * `ERR_DRAINING` where the request is refused, so that a server can still answer 503. Later it may reject with
   * `ERR_CANCELLED`, `ERR_DEADLINE`, `ERR_DRAINING` (ended by the drain) or with what the handler threw.
   */
  call(request: Request, options?: CallOptions): ServedCall<Frame>;
  /** Stops or kills the request of that id, running or still to come; see `ActiveScopes.cancel`. */
  cancel(id: string, level?: 'stop' | 'kill', reason?: string): boolean;
  /** Makes the endpoint not ready and refuses further calls (`ERR_CLOSED`). Requests in flight go on. Idempotent. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface EndpointHandle extends EndpointReadiness {
  /**
   * Serves requests with an async generator: marks the endpoint ready, counts requests and tokens, cancels, reports
   * progress, and refuses while the process drains or is over its `limits`.
   * @throws InferenceHealthError ERR_CONFIG_INVALID when the endpoint is served already.
   */
  serve<Request, Frame>(
    handler: Handler<Request, Frame>,
    options?: ServeOptions,
  ): ServedEndpoint<Request, Frame>;
}
