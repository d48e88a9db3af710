import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
// Not the global: that is a getter, and this is on the path of every probe.
import { performance } from 'node:perf_hooks';
import { INTERNAL_ERROR, MOST_LATE, OTHER_PATH, TOO_MANY_LATE } from './reply.js';
import { safeReport } from './report.js';
import type { ProbeReply, ProbeRequest, ProbeRoute, ProbeRoutes, ProbeServerOptions } from './server.js';
import { createTurnBudget } from './turn-budget.js';

/** One path's route, and the header of its last answer: it rarely changes, so it is rarely built. */
interface Endpoint {
  readonly path: string;
  readonly route: ProbeRoute;
  /** Whether it has answered later before. */
  isLate: boolean;
  head: Head;
  source: Uint8Array | null;
  bytes: Buffer;
}

interface Head extends Pick<ProbeReply, 'statusLine' | 'contentType' | 'allow' | 'retryAfter' | 'length'> {
  readonly code: number;
  readonly reason: string;
  /** Names and values alternating, as `writeHead` takes them without looking at each. */
  readonly fields: string[];
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The request handler of node:http for these routes. node:http parses what a client pipelines at once, and keeps each
 * answer until those before it are out; so nothing is accepted behind an answer that may take long, or is the last.
 *
 * @param late sockets that have an answer to come; whoever watches sockets takes those out that close before.
 */
export function routeHttp(
  routes: ProbeRoutes,
  onError: ProbeServerOptions['onError'],
  late: Set<Socket>,
): HttpHandler {
  const { observe } = routes;
  /** Sockets whose last answer is on its way. */
  const closing = new WeakSet<Socket>();
  const report = safeReport(onError);
  const mayGoOn = createTurnBudget();
  const reads = new Map<string, Endpoint>();
  const denied = new Map<string, Endpoint>();
  for (const [path, route] of routes.paths) {
    reads.set(path, endpointOf(path, route));
    denied.set(path, endpointOf(path, routes.methodNotAllowed));
  }
  const notFound = endpointOf(OTHER_PATH, routes.notFound);
  const options = endpointOf(OTHER_PATH, routes.options);

  let current: IncomingMessage | null = null;
  const probeRequest: ProbeRequest = {
    query: () => queryOf(current?.url ?? ''),
    accept: () => current?.headers.accept ?? '',
  };

  function find(request: IncomingMessage): Endpoint {
    const { method } = request;
    const target = request.url ?? '';
    if (method === 'GET' || method === 'HEAD')
      return reads.get(target) ?? reads.get(pathOf(target)) ?? notFound;
    if (method === 'OPTIONS') return options;
    return denied.get(pathOf(target)) ?? notFound;
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (late.has(socket) || closing.has(socket)) socket.destroy();
    // The parser goes on to the end of what has arrived.
    if (socket.destroyed) return;
    const startedAt = observe === undefined ? 0 : performance.now();
    let endpoint = notFound;
    current = request;
    try {
      if (!mayGoOn()) {
        response.shouldKeepAlive = false;
        closing.add(socket);
      }
      endpoint = find(request);
      const reply = endpoint.isLate && late.size >= MOST_LATE ? TOO_MANY_LATE : endpoint.route(probeRequest);
      if (reply instanceof Promise) answerLater(endpoint, socket, response, reply, startedAt);
      else answer(endpoint, response, reply, startedAt);
    } catch (error) {
      fail(endpoint, response, error, startedAt);
    } finally {
      current = null;
    }
  }

  function answer(endpoint: Endpoint, response: ServerResponse, reply: ProbeReply, startedAt: number): void {
    write(endpoint, response, reply);
    observe?.(endpoint.path, reply.statusLine, performance.now() - startedAt);
  }

  function answerLater(
    endpoint: Endpoint,
    socket: Socket,
    response: ServerResponse,
    promise: Promise<ProbeReply>,
    startedAt: number,
  ): void {
    endpoint.isLate = true;
    late.add(socket);
    response.once('finish', () => late.delete(socket));
    promise
      .then((reply) => {
        // The client went away: an answer would go nowhere, and its duration would say nothing.
        if (!response.destroyed) answer(endpoint, response, reply, startedAt);
      })
      .catch((error: unknown) => fail(endpoint, response, error, startedAt));
  }

  function fail(endpoint: Endpoint, response: ServerResponse, error: unknown, startedAt: number): void {
    report(error);
    if (response.writableEnded) return;
    try {
      if (response.headersSent) response.destroy();
      else if (!response.destroyed) answer(endpoint, response, INTERNAL_ERROR, startedAt);
    } catch {
      response.destroy();
    }
  }

  return handle;
}

function endpointOf(path: string, route: ProbeRoute): Endpoint {
  return { path, route, isLate: false, head: headOf(INTERNAL_ERROR), source: null, bytes: Buffer.alloc(0) };
}

/** The path of a request target in origin form (`/a?b`) or absolute form (`http://host/a?b`); nothing is decoded. */
function pathOf(target: string): string {
  const query = target.indexOf('?');
  const withoutQuery = query === -1 ? target : target.slice(0, query);
  if (withoutQuery.startsWith('/')) return withoutQuery;
  const authority = withoutQuery.indexOf('://');
  if (authority === -1) return withoutQuery;
  const path = withoutQuery.indexOf('/', authority + 3);
  return path === -1 ? '/' : withoutQuery.slice(path);
}

function queryOf(target: string): string {
  const start = target.indexOf('?');
  return start === -1 ? '' : target.slice(start + 1);
}

function write(endpoint: Endpoint, response: ServerResponse, reply: ProbeReply): void {
  const { body, length } = reply;
  if (!isHeadOf(endpoint.head, reply)) endpoint.head = headOf(reply);
  const { head } = endpoint;
  response.writeHead(head.code, head.reason, head.fields);
  if (endpoint.isLate) {
    response.end(Buffer.from(body.buffer, body.byteOffset, length));
    return;
  }
  if (endpoint.source !== body) {
    endpoint.source = body;
    endpoint.bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }
  // The next call writes into the same buffer, so the bytes are copied; as a Latin-1 string, which is byte for byte the
  // body, node:http sends them in one write together with the header.
  response.end(endpoint.bytes.toString('latin1', 0, length), 'latin1');
}

function isHeadOf(head: Head, reply: ProbeReply): boolean {
  return (
    head.length === reply.length &&
    head.statusLine === reply.statusLine &&
    head.contentType === reply.contentType &&
    head.allow === reply.allow &&
    head.retryAfter === reply.retryAfter
  );
}

function headOf({ statusLine, contentType, allow, retryAfter, length }: ProbeReply): Head {
  const code = Number.parseInt(statusLine, 10);
  const fields = ['Cache-Control', 'no-store'];
  if (contentType !== null) fields.push('Content-Type', contentType);
  if (allow !== null) fields.push('Allow', allow);
  if (retryAfter !== null) fields.push('Retry-After', retryAfter);
  // RFC 9110 section 8.6: no Content-Length on 204.
  if (code !== 204) fields.push('Content-Length', String(length));
  return { statusLine, contentType, allow, retryAfter, length, code, reason: statusLine.slice(4), fields };
}
