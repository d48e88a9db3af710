import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGate } from './gate.js';
import type { FrameworkOptions, HealthPort } from './options.js';

export type { FrameworkOptions } from './options.js';
export { trackedRequest } from './tracked.js';

export type HttpListener = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * `createServer(httpHealth(health, listener))`: health routes, request counts, admission and drain before a listener of
 * node:http or node:https.
 * @param health what `startHealth` returned
 */
export function httpHealth(
  health: HealthPort,
  listener: HttpListener,
  options: FrameworkOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  const gate = createGate(health, options);
  return (request, response) => gate(request, response, () => void listener(request, response));
}
