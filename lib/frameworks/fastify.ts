import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGate } from './gate.js';
import type { FrameworkOptions, HealthPort } from './options.js';

export type { FrameworkOptions } from './options.js';
export { trackedRequest } from './tracked.js';

/** What the plugin uses of a fastify instance; fastify itself is not needed for the types. */
export interface FastifyLike {
  addHook(name: never, hook: never): unknown;
}

export type FastifyHealthPlugin = (app: FastifyLike, options: unknown, done: (error?: Error) => void) => void;

type OnRequest = (
  request: { readonly raw: IncomingMessage },
  reply: { readonly raw: ServerResponse; hijack(): unknown },
  done: () => void,
) => void;

/**
 * `app.register(fastifyHealth(health))`, before the routes: health routes, request counts, admission and drain for the
 * whole application. Fastify 4 and 5.
 * @param health what `startHealth` returned
 */
export function fastifyHealth(health: HealthPort, options: FrameworkOptions = {}): FastifyHealthPlugin {
  const gate = createGate(health, options);
  const onRequest: OnRequest = (request, reply, done) =>
    // What is not passed on is answered on the raw response.
    gate(request.raw, reply.raw, done, () => void reply.hijack());
  const plugin: FastifyHealthPlugin = (app, _options, done) => {
    app.addHook('onRequest' as never, onRequest as never);
    done();
  };
  // As fastify-plugin does: the hook is for the instance that registers it, not for a child of its own.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'inference-health',
    [Symbol.for('plugin-meta')]: { name: 'inference-health', fastify: '>=4' },
  });
}
