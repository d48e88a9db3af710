import type { ErrorCode } from '../errors.js';

/** What a route answers. One object per route is reused for ever: a server must have read it before the next call. */
export interface ProbeReply {
  /** Status code and reason text, for example `200 OK`. */
  statusLine: string;
  /** Value of `Content-Type`, or null to send none. */
  contentType: string | null;
  /** Value of `Allow` on 405 and OPTIONS, else null. */
  allow: string | null;
  /** Seconds for `Retry-After`, else null. */
  retryAfter: string | null;
  /** Bytes `0 … length` are the body; the buffer is written again by the next call. */
  body: Uint8Array;
  length: number;
}

/** The parts of a request that a route may ask for; reading them is what costs, so they are methods. */
export interface ProbeRequest {
  /** Query string without the `?`, or an empty string. */
  query(): string;
  /** `Accept` header in lower case as sent, or an empty string. */
  accept(): string;
}

/** Answers at once, or (only `/metrics`) later. Must not throw or reject; servers guard against it all the same. */
export type ProbeRoute = (request: ProbeRequest) => ProbeReply | Promise<ProbeReply>;

export interface ProbeRoutes {
  /** Exact path → route, for GET and HEAD. */
  readonly paths: ReadonlyMap<string, ProbeRoute>;
  /** Any path that is not in `paths`. */
  readonly notFound: ProbeRoute;
  /** A path in `paths` with a method other than GET, HEAD and OPTIONS. */
  readonly methodNotAllowed: ProbeRoute;
  /** OPTIONS on any path: 204 with `Allow`. */
  readonly options: ProbeRoute;
  /** Called after each answer with its duration in milliseconds, from handler entry to the write. */
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

export type ListenResult = { readonly ok: true; readonly bound: BoundListener } | { readonly ok: false; readonly failure: ListenFailure };

/** One HTTP engine; lives on the probe thread. */
export interface ProbeServer {
  readonly engine: 'uws' | 'http';
  listen(target: ListenTarget, routes: ProbeRoutes): Promise<ListenResult>;
  /** Open connections over all listeners. */
  connections(): number;
  /** Stops listening, ends every connection, removes unix sockets. Idempotent; safe in a process 'exit' listener (synchronous part does the work). */
  close(): void;
}
