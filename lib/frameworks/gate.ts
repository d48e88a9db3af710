import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Permit } from '../admission/permit.js';
import { discardHttpRequest, followHttpResponse } from '../requests/http-channel.js';
import type { CountedRequest } from '../requests/tracker.js';
import { type FrameworkOptions, type HealthPort, pathOf, tracker } from './options.js';
import { refusalOf } from './refusal.js';
import { remember, withPermit } from './tracked.js';

/**
 * What comes before the application: answers health routes and refusals itself, calls `next` for the rest, which it
 * counts until their response closes.
 * @param taken called instead of `next`, at the latest when the answer has been written
 */
export type Gate = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
  taken?: () => void,
) => void;

export function createGate(health: HealthPort, options: FrameworkOptions): Gate {
  const { routes = {}, admit = true } = options;
  const handler = routes === false ? null : health.handler(routes);
  const isTracked = tracker(options);

  function count(request: IncomingMessage, response: ServerResponse, permit: Permit | null): void {
    const handle = health.requests.begin() as CountedRequest;
    remember(request, handle);
    followHttpResponse(response, permit === null ? handle : withPermit(handle, permit));
  }

  function enter(
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
    taken: () => void,
  ): void {
    if (!isTracked(request.method ?? 'GET', pathOf(request.url ?? '/'))) {
      next();
      return;
    }
    if (!admit) {
      count(request, response, null);
      next();
      return;
    }
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    followHttpResponse(response, { end: leave, fail: leave, discard: () => undefined });
    health.admit({ signal: gone.signal }).then(
      (permit) => {
        // Between the permit and this turn: nobody is there any more.
        if (gone.signal.aborted) {
          permit.release();
          taken();
          return;
        }
        count(request, response, permit);
        next();
      },
      (error: unknown) => {
        taken();
        refuse(response, error);
      },
    );
  }

  return (request, response, next, taken = () => undefined) => {
    if (handler === null) {
      enter(request, response, next, taken);
      return;
    }
    let isOurs = true;
    const pass = (): void => {
      isOurs = false;
      enter(request, response, next, taken);
    };
    handler(request, response, pass);
    if (isOurs) taken();
  };
}

/** A refused request counts as rejected, not as failed. */
function refuse(response: ServerResponse, error: unknown): void {
  discardHttpRequest(response);
  if (response.destroyed || response.headersSent) return;
  const { status, headers, body } = refusalOf(error, response.req.httpVersionMajor);
  response.writeHead(status, headers).end(body);
}
