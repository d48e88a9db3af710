import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DialectName } from '../dialects/index.js';
import type { Details } from '../dialects/view.js';
import type { Evaluator } from '../probe/evaluator.js';
import { ALLOW, probeRoutes, type RoutesOptions } from '../probe/routes.js';
import type { ProbeReply, ProbeRequest, ProbeRoute } from '../probe/server.js';
import { discardHttpRequest } from '../requests/http-channel.js';

export interface HandlerOptions {
  /** Default: that of the first listener. */
  dialect?: DialectName;
  /** Default `documented`: the application's port is usually public. */
  details?: Details;
}

/** For `http.createServer`, express, connect, fastify hooks: answers health paths, calls `next` (or 404) for the rest. */
export interface HealthHandler {
  (request: IncomingMessage, response: ServerResponse, next?: () => void): void;
  /** For servers that speak Fetch: the answer, or null for the paths that are none of health's. */
  fetch(request: Request): Promise<Response> | null;
}

function headersOf(reply: ProbeReply): Record<string, string> {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
  if (reply.contentType !== null) headers['Content-Type'] = reply.contentType;
  if (reply.allow !== null) headers.Allow = ALLOW;
  if (reply.retryAfter !== null) headers['Retry-After'] = reply.retryAfter;
  return headers;
}

function statusOf({ statusLine }: ProbeReply): number {
  return Number(statusLine.slice(0, statusLine.indexOf(' ')));
}

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

  type Answer = ProbeReply | Promise<ProbeReply>;
  const answer = (method: string, route: ProbeRoute | undefined, probe: ProbeRequest): Answer => {
    if (method === 'OPTIONS') return routes.options(probe);
    if (route === undefined) return routes.notFound(probe);
    return method === 'GET' || method === 'HEAD' ? route(probe) : routes.methodNotAllowed(probe);
  };

  const handler = (request: IncomingMessage, response: ServerResponse, next?: () => void): void => {
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
    const write = (reply: ProbeReply): void => {
      if (response.destroyed) return;
      response.statusCode = statusOf(reply);
      for (const [name, value] of Object.entries(headersOf(reply))) response.setHeader(name, value);
      if (response.statusCode !== 204) response.setHeader('Content-Length', reply.length);
      // Copied: the next probe writes into the same buffer.
      response.end(request.method === 'HEAD' ? undefined : Buffer.from(reply.body.subarray(0, reply.length)));
    };
    const reply = answer(request.method ?? 'GET', route, probe);
    if (reply instanceof Promise) reply.then(write, () => response.destroy());
    else write(reply);
  };

  return Object.assign(handler, {
    fetch(request: Request): Promise<Response> | null {
      const { pathname, search } = new URL(request.url);
      const route = routes.paths.get(pathname);
      if (route === undefined) return null;
      const probe: ProbeRequest = {
        query: () => search.slice(1),
        accept: () => request.headers.get('accept') ?? '',
      };
      // Copied here too, and at once.
      const write = (reply: ProbeReply): Response => {
        const status = statusOf(reply);
        const isEmpty = status === 204 || request.method === 'HEAD';
        const body = isEmpty ? null : Buffer.from(reply.body.subarray(0, reply.length));
        return new Response(body, { status, headers: headersOf(reply) });
      };
      const reply = answer(request.method, route, probe);
      return reply instanceof Promise ? reply.then(write) : Promise.resolve(write(reply));
    },
  });
}
