import type { Permit } from '../admission/permit.js';
import type { HttpRequest } from '../requests/http-channel.js';
import type { RequestHandle } from '../requests/tracker.js';

const handles = new WeakMap<object, RequestHandle>();

export function remember(request: object, handle: RequestHandle): void {
  handles.set(request, handle);
}

/**
 * The handle of a request that an adapter counts, to add its tokens: `trackedRequest(request)?.tokens(1)`. Undefined for
 * requests that are not tracked. It ends by itself with the response.
 * @param request what the framework hands out: node's and express's request, fastify's `request.raw`, hono's `context`
 */
export function trackedRequest(request: object): RequestHandle | undefined {
  return handles.get(request);
}

/** Gives the permit back when the request has ended. */
export function withPermit(request: HttpRequest, permit: Permit): HttpRequest {
  const settle = (how: 'end' | 'fail' | 'discard'): void => {
    request[how]();
    permit.release();
  };
  return { end: () => settle('end'), fail: () => settle('fail'), discard: () => settle('discard') };
}
