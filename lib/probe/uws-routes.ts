// Not the global: that is a getter, and this is on the path of every probe.
import { performance } from 'node:perf_hooks';
import { INTERNAL_ERROR, MOST_LATE, OTHER_PATH, TOO_MANY_LATE } from './reply.js';
import { safeReport } from './report.js';
import type { ProbeReply, ProbeRequest, ProbeRoute, ProbeRoutes, ProbeServerOptions } from './server.js';
import { createTurnBudget } from './turn-budget.js';
import type { UwsApp, UwsRequest, UwsResponse } from './uws-types.js';

const EMPTY = new Uint8Array(0);
const OK = '200 OK';

/** One path's route, and the view of its last body: making a view costs more than sending it. */
interface Endpoint {
  readonly path: string;
  readonly route: ProbeRoute;
  /** Whether it has answered later before. */
  isLate: boolean;
  source: Uint8Array;
  view: Uint8Array;
  /** What its last answer said of its content, and the header that says so. */
  contentType: string | null;
  fields: string;
}

/** Written as the value of `Cache-Control`: uWebSockets.js sends it as it is, and a header costs a call into it. */
function fieldsOf(contentType: string | null): string {
  return contentType === null ? 'no-store' : `no-store\r\nContent-Type: ${contentType}`;
}

/** How many answers are still to come, over all listeners. */
export interface LateAnswers {
  count: number;
}

/** Registers every path by itself, so that the usual request makes no string: neither its method nor its URL is read. */
export function routeUws(
  app: UwsApp,
  routes: ProbeRoutes,
  onError: ProbeServerOptions['onError'],
  late: LateAnswers,
): void {
  const { observe } = routes;
  const report = safeReport(onError);
  const mayGoOn = createTurnBudget();
  const notFound = endpointOf(OTHER_PATH, routes.notFound);
  const options = endpointOf(OTHER_PATH, routes.options);
  /** Paths that uWebSockets.js would take for patterns. */
  const literal = new Map<string, { read: Endpoint; denied: Endpoint }>();

  let current: UwsRequest | null = null;
  const probeRequest: ProbeRequest = {
    query: () => current?.getQuery() ?? '',
    accept: () => current?.getHeader('accept') ?? '',
  };

  for (const [path, route] of routes.paths) {
    const read = endpointOf(path, route);
    const denied = endpointOf(path, routes.methodNotAllowed);
    if (/\/[:*]/.test(path)) {
      literal.set(path, { read, denied });
      continue;
    }
    app.get(path, (response, request) => answer(read, response, request, false));
    app.head(path, (response, request) => answer(read, response, request, true));
    app.any(path, (response, request) => {
      answer(request.getMethod() === 'options' ? options : denied, response, request, false);
    });
  }

  app.any('/*', (response, request) => {
    const method = request.getMethod();
    const isHead = method === 'head';
    if (method === 'options') return answer(options, response, request, false);
    const found = literal.size === 0 ? undefined : literal.get(request.getUrl());
    if (found === undefined) return answer(notFound, response, request, isHead);
    answer(method === 'get' || isHead ? found.read : found.denied, response, request, isHead);
  });

  // Nothing may be thrown out of here: with an 'uncaughtException' listener uWebSockets.js would abort the process.
  function answer(endpoint: Endpoint, response: UwsResponse, request: UwsRequest, isHead: boolean): void {
    const startedAt = observe === undefined ? 0 : performance.now();
    let isAnswered = false;
    current = request;
    try {
      const reply = endpoint.isLate && late.count >= MOST_LATE ? TOO_MANY_LATE : endpoint.route(probeRequest);
      if (reply instanceof Promise) {
        answerLater(endpoint, response, reply, isHead, startedAt);
        return;
      }
      isAnswered = true;
      const rest = write(endpoint, response, reply, isHead, mayGoOn());
      if (rest !== null) finishLater(response, rest.slice());
      observe?.(endpoint.path, reply.statusLine, performance.now() - startedAt);
    } catch (error) {
      fail(endpoint, response, error, isAnswered, isHead, startedAt);
    } finally {
      current = null;
    }
  }

  function answerLater(
    endpoint: Endpoint,
    response: UwsResponse,
    promise: Promise<ProbeReply>,
    isHead: boolean,
    startedAt: number,
  ): void {
    endpoint.isLate = true;
    late.count += 1;
    let isCounted = true;
    const release = () => {
      if (isCounted) late.count -= 1;
      isCounted = false;
    };
    // After an abort the response must not be touched; the listener has to be there before this turn ends.
    let isAborted = false;
    response.onAborted(() => {
      isAborted = true;
      release();
    });
    const inCork = (step: () => void) => {
      if (!isAborted) response.cork(step);
    };
    promise.then(
      (reply) =>
        inCork(() => {
          try {
            const rest = write(endpoint, response, reply, isHead, true);
            if (rest === null) release();
            else finishLater(response, rest, release);
            observe?.(endpoint.path, reply.statusLine, performance.now() - startedAt);
          } catch (error) {
            release();
            fail(endpoint, response, error, true, isHead, startedAt);
          }
        }),
      (error: unknown) => {
        if (isAborted) report(error);
        release();
        inCork(() => fail(endpoint, response, error, false, isHead, startedAt));
      },
    );
  }

  function fail(
    endpoint: Endpoint,
    response: UwsResponse,
    error: unknown,
    isAnswered: boolean,
    isHead: boolean,
    startedAt: number,
  ): void {
    report(error);
    try {
      if (isAnswered) {
        response.close();
        return;
      }
      write(endpoint, response, INTERNAL_ERROR, isHead, true);
      observe?.(endpoint.path, INTERNAL_ERROR.statusLine, performance.now() - startedAt);
    } catch {
      // The answer was complete already, or the connection is gone.
    }
  }
}

function endpointOf(path: string, route: ProbeRoute): Endpoint {
  return {
    path,
    route,
    isLate: false,
    source: EMPTY,
    view: EMPTY,
    contentType: null,
    fields: fieldsOf(null),
  };
}

/** @returns the body if the client does not take all of it yet, else null. */
function write(
  endpoint: Endpoint,
  response: UwsResponse,
  reply: ProbeReply,
  isHead: boolean,
  keepsConnection: boolean,
): Uint8Array | null {
  // Plain strings: pre-encoded bytes cost 5 to 10 % more per call (measured with 20.51.4). 200 is written by itself.
  if (reply.statusLine !== OK) response.writeStatus(reply.statusLine);
  if (endpoint.contentType !== reply.contentType) {
    endpoint.contentType = reply.contentType;
    endpoint.fields = fieldsOf(reply.contentType);
  }
  response.writeHeader('Cache-Control', endpoint.fields);
  if (reply.allow !== null) response.writeHeader('Allow', reply.allow);
  if (reply.retryAfter !== null) response.writeHeader('Retry-After', reply.retryAfter);
  const hasNoContent = reply.statusLine.startsWith('204');
  if (!keepsConnection) {
    response.end(isHead || hasNoContent ? EMPTY : bodyView(endpoint, reply), true);
    return null;
  }
  if (isHead || hasNoContent) {
    // `end` would add `Content-Length: 0`, which is wrong for both (RFC 9110 section 8.6).
    if (!hasNoContent) response.writeHeader('Content-Length', String(reply.length));
    response.endWithoutBody();
    return null;
  }
  const view = bodyView(endpoint, reply);
  if (view.length < SMALL_BYTES && Math.random() > TRIED_SHARE) {
    response.end(view, false);
    return null;
  }
  const [, isDone] = response.tryEnd(view, view.length);
  return isDone ? null : view;
}

/**
 * `tryEnd` costs 1 of the 8 µs of a small answer, because it returns an array. What it is for, a client that asks
 * without reading, is caught as well when one answer in sixteen is tried: a few kilobytes later.
 */
const SMALL_BYTES = 512;
const TRIED_SHARE = 1 / 16;

/**
 * The client reads slower than the answer came. `end` would keep it in memory, and one more for every request that
 * this client pipelines; a pending answer makes uWebSockets.js close a connection that asks again.
 */
function finishLater(response: UwsResponse, body: Uint8Array, onEnd: () => void = () => undefined): void {
  response.onAborted(onEnd);
  response.onWritable((offset) => {
    const [wasTaken, isDone] = response.tryEnd(body.subarray(offset), body.length);
    if (isDone) onEnd();
    return wasTaken;
  });
}

/** The bytes to send. uWebSockets.js has copied or sent them when it returns, so the buffer may be written again. */
function bodyView(endpoint: Endpoint, { body, length }: ProbeReply): Uint8Array {
  if (endpoint.isLate) return body.subarray(0, length);
  if (endpoint.source !== body || endpoint.view.length !== length) {
    endpoint.source = body;
    endpoint.view = new Uint8Array(body.buffer, body.byteOffset, length);
  }
  return endpoint.view;
}
