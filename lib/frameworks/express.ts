import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGate } from './gate.js';
import type { FrameworkOptions, HealthPort } from './options.js';

export type { FrameworkOptions } from './options.js';
export { trackedRequest } from './tracked.js';

/** Middleware as express, connect, restify and others take it. */
export type ConnectMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * `app.use(expressHealth(health))`, before everything else: health routes, request counts, admission and drain.
 * For any framework with connect's middleware.
 * @param health what `startHealth` returned
 */
export function expressHealth(health: HealthPort, options: FrameworkOptions = {}): ConnectMiddleware {
  const gate = createGate(health, options);
  return (request, response, next) => gate(request, response, () => next());
}
