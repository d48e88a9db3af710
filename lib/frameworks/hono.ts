import type { ServerResponse } from 'node:http';
import type { Permit } from '../admission/permit.js';
import { discardHttpRequest, followHttpResponse } from '../requests/http-channel.js';
import type { CountedRequest } from '../requests/tracker.js';
import { followBody } from './body.js';
import { type FrameworkOptions, type HealthPort, tracker } from './options.js';
import { refusalOf } from './refusal.js';
import { remember, withPermit } from './tracked.js';

export type { FrameworkOptions } from './options.js';
export { trackedRequest } from './tracked.js';

/** What the middleware uses of hono's context; hono itself is not needed for the types. */
export interface HonoContextLike {
  readonly req: { readonly raw: Request; readonly method: string; readonly path: string };
  readonly env: unknown;
  res: Response;
}

export type HonoMiddleware = (
  context: HonoContextLike,
  next: () => Promise<void>,
) => Promise<Response | undefined>;

/** `@hono/node-server` puts node's objects here. */
function outgoingOf({ env }: HonoContextLike): ServerResponse | null {
  const outgoing = (env as { outgoing?: Partial<ServerResponse> } | null | undefined)?.outgoing;
  return typeof outgoing?.writeHead === 'function' && outgoing.req?.socket !== undefined
    ? (outgoing as ServerResponse)
    : null;
}

/**
 * `app.use(honoHealth(health))`, before everything else: health routes, request counts, admission and drain. A streamed
 * response counts until its end, or until the client is gone.
 * @param health what `startHealth` returned
 */
export function honoHealth(health: HealthPort, options: FrameworkOptions = {}): HonoMiddleware {
  const { routes = {}, admit = true } = options;
  const handler = routes === false ? null : health.handler(routes);
  const isTracked = tracker(options);

  return async (context, next) => {
    const outgoing = outgoingOf(context);
    const answer = handler?.fetch(context.req.raw) ?? null;
    if (answer !== null) {
      if (outgoing !== null) discardHttpRequest(outgoing);
      return answer;
    }
    if (!isTracked(context.req.method, context.req.path)) {
      await next();
      return undefined;
    }
    let permit: Permit | null = null;
    if (admit) {
      try {
        permit = await health.admit({ signal: context.req.raw.signal });
      } catch (error) {
        if (outgoing !== null) discardHttpRequest(outgoing);
        const { status, headers, body } = refusalOf(error);
        return new Response(body, { status, headers });
      }
    }
    // Not every server aborts the signal of a request whose client has left the queue.
    if (outgoing?.destroyed === true) {
      discardHttpRequest(outgoing);
      permit?.release();
      return new Response(null, { status: 503 });
    }
    const handle = health.requests.begin() as CountedRequest;
    remember(context, handle);
    const counted = permit === null ? handle : withPermit(handle, permit);
    if (outgoing !== null) {
      followHttpResponse(outgoing, counted);
      await next();
      return undefined;
    }
    try {
      await next();
    } catch (error) {
      counted.fail();
      throw error;
    }
    context.res = followBody(context.res, counted);
    return undefined;
  };
}
