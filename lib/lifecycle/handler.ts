import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DialectName } from '../dialects/index.js';
import type { Details } from '../dialects/view.js';
import type { Evaluator } from '../probe/evaluator.js';
import { ALLOW, probeRoutes, type RoutesOptions } from '../probe/routes.js';
import type { ProbeReply, ProbeRequest } from '../probe/server.js';
import { discardHttpRequest } from '../requests/http-channel.js';

export interface HandlerOptions {
  dialect?: DialectName;
  /** Default `documented`: the application's port is usually public. */
  details?: Details;
}

/** For `http.createServer`, express, connect, fastify hooks: answers health paths, calls `next` (or 404) for the rest. */
export type HealthHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;

/**
 * Health on the application's own port. It answers from the main thread, so it is as slow as that thread is: point
 * Kubernetes at the probe listener and use this where only one port can be reached.
 */
export function createHandler(
  options: Omit<RoutesOptions, 'dialect' | 'details'> & { readonly evaluator: Evaluator } & HandlerOptions,
): HealthHandler {
  const routes = probeRoutes({
    ...options,
    dialect: options.dialect ?? 'bitnet',
    details: options.details ?? 'documented',
  });

  return (request, response, next) => {
    const url = request.url ?? '/';
    const question = url.indexOf('?');
    const path = question < 0 ? url : url.slice(0, question);
    const route = routes.paths.get(path);
    if (route === undefined && next !== undefined) {
      next();
      return;
    }
    // A probe is not a request that the application serves.
    discardHttpRequest(response);
    const probe: ProbeRequest = {
      query: () => (question < 0 ? '' : url.slice(question + 1)),
      accept: () => request.headers.accept ?? '',
    };
    const head = request.method === 'HEAD';
    const answer = (): ProbeReply | Promise<ProbeReply> => {
      if (request.method === 'OPTIONS') return routes.options(probe);
      if (route === undefined) return routes.notFound(probe);
      return request.method === 'GET' || head ? route(probe) : routes.methodNotAllowed(probe);
    };
    const write = (reply: ProbeReply): void => {
      if (response.destroyed) return;
      const space = reply.statusLine.indexOf(' ');
      response.statusCode = Number(reply.statusLine.slice(0, space));
      response.setHeader('Cache-Control', 'no-store');
      if (reply.contentType !== null) response.setHeader('Content-Type', reply.contentType);
      if (reply.allow !== null) response.setHeader('Allow', ALLOW);
      if (reply.retryAfter !== null) response.setHeader('Retry-After', reply.retryAfter);
      if (response.statusCode !== 204) response.setHeader('Content-Length', reply.length);
      // Copied: the next probe writes into the same buffer.
      response.end(head ? undefined : Buffer.from(reply.body.subarray(0, reply.length)));
    };
    const reply = answer();
    if (reply instanceof Promise) reply.then(write, () => response.destroy());
    else write(reply);
  };
}
