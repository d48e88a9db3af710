import type { ErrorCode } from '../errors.js';

/**
 * What a route answers. One object per route is reused for ever: a server must have read it before the next call.
 * Bodies that come later are not written again, since answers that overlap share them.
 */
export interface ProbeReply {
  /** Status code and reason text, for example `200 OK`. */
  statusLine: string;
  /** Value of `Content-Type`, or null to send none. */
  contentType: string | null;
  /** Value of `Allow` on 405 and OPTIONS, else null. */
  allow: string | null;
  /** Seconds for `Retry-After`, else null. */
  retryAfter: string | null;
  /** Bytes `0 … length` are the body; the buffer is written again by the next call, unless it came later. */
  body: Uint8Array;
  length: number;
}

/**
 * The parts of a request that a route may ask for; reading them is what costs, so they are methods.
 * Valid only until the route returns: a route that answers later reads what it needs before its first `await`.
 */
export interface ProbeRequest {
  /** Query string as sent, without the `?`, or an empty string. Nothing is percent-decoded. */
  query(): string;
  /** Value of the `Accept` header as sent, or an empty string. */
  accept(): string;
}

/**
 * Answers at once, or (only `/metrics`) later; the promise must settle within seconds, since nothing else bounds it.
 * Must not throw or reject: servers answer 500 with an empty body and report it to `onError` all the same.
 */
export type ProbeRoute = (request: ProbeRequest) => ProbeReply | Promise<ProbeReply>;

export interface ProbeRoutes {
  /**
   * Exact path → route, for GET and HEAD. Paths start with `/` and are compared byte by byte: no percent-decoding, no
   * merging of `//`, no trailing-slash rule.
   */
  readonly paths: ReadonlyMap<string, ProbeRoute>;
  /** Any path that is not in `paths`. */
  readonly notFound: ProbeRoute;
  /** A path in `paths` with a method other than GET, HEAD and OPTIONS. */
  readonly methodNotAllowed: ProbeRoute;
  /** OPTIONS on any path: 204 with `Allow`. */
  readonly options: ProbeRoute;
  /**
   * Called after each answer with its duration in milliseconds, from handler entry to the write. `path` is a key of
   * `paths`, or `*` for everything else: never text from a request, so it is safe as a metric label.
   */
  readonly observe?: (path: string, statusLine: string, durationMs: number) => void;
}

export type ListenTarget =
  /** `host` null: all interfaces, `::` first, `0.0.0.0` where the machine has no IPv6. */
  | { readonly kind: 'tcp'; readonly host: string | null; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number };

export type BoundListener =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Plain data, because it crosses threads. */
export interface ListenFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type ListenResult =
  | { readonly ok: true; readonly bound: BoundListener }
  | { readonly ok: false; readonly failure: ListenFailure };

export interface ProbeServerOptions {
  /** Told of every error that a route or the HTTP engine did not expect. Errors that clients cause are not reported. */
  readonly onError?: (error: unknown) => void;
}

/** One HTTP engine; lives on the probe thread. */
export interface ProbeServer {
  readonly engine: 'uws' | 'http';
  /** Adds a listener; may be called several times, each with its own routes. Never rejects. */
  listen(target: ListenTarget, routes: ProbeRoutes): Promise<ListenResult>;
  /** Open connections over all listeners. */
  connections(): number;
  /** Stops listening, ends every connection, removes unix sockets. Idempotent; safe in a process 'exit' listener (synchronous part does the work). */
  close(): void;
}
