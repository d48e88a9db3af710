import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { streamText } from 'hono/streaming';
import type { FrameworkOptions } from '../../lib/frameworks/options.js';
import type { Health } from '../../lib/index.js';
import { ROOT } from '../helpers/package.js';

const require = createRequire(import.meta.url);
const built = <T>(name: string): T => require(join(ROOT, 'dist/cjs/frameworks', `${name}.js`)) as T;
const { expressHealth, trackedRequest } = built<typeof import('../../lib/frameworks/express.js')>('express');
const { fastifyHealth } = built<typeof import('../../lib/frameworks/fastify.js')>('fastify');
const { honoHealth } = built<typeof import('../../lib/frameworks/hono.js')>('hono');
const { httpHealth } = built<typeof import('../../lib/frameworks/node-http.js')>('node-http');

export { httpHealth };

/** What `/slow` waits for. */
export interface Gate {
  readonly open: Promise<void>;
}

export interface App {
  readonly base: string;
  close(): Promise<void>;
}

/** The same application in every framework: /hello (2 tokens), /broken (500), /slow (streams until the gate opens). */
export type Build = (health: Health, gate: Gate, options?: FrameworkOptions) => Promise<App>;

async function listening(server: Server): Promise<App> {
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const APPS: Readonly<Record<string, Build>> = {
  'node:http': (health, gate, options) => {
    const server = createServer(
      httpHealth(
        health,
        async (request, response) => {
          if (request.url === '/hello') {
            trackedRequest(request)?.tokens(2);
            response.end('hello');
          } else if (request.url === '/slow') {
            response.write('slow ');
            await gate.open;
            response.end('end');
          } else response.writeHead(request.url === '/broken' ? 500 : 404).end();
        },
        options,
      ),
    );
    return listening(server.listen(0, '127.0.0.1'));
  },

  express: (health, gate, options) => {
    const app = express();
    app.use(expressHealth(health, options));
    app.get('/hello', (request, response) => {
      trackedRequest(request)?.tokens(2);
      response.send('hello');
    });
    app.get('/slow', async (_request, response) => {
      response.write('slow ');
      await gate.open;
      response.end('end');
    });
    app.get('/broken', (_request, response) => void response.sendStatus(500));
    return listening(app.listen(0, '127.0.0.1'));
  },

  fastify: async (health, gate, options) => {
    const app = Fastify();
    await app.register(fastifyHealth(health, options));
    app.get('/hello', async (request) => {
      trackedRequest(request.raw)?.tokens(2);
      return 'hello';
    });
    app.get('/slow', async (_request, reply) => {
      reply.hijack();
      reply.raw.write('slow ');
      await gate.open;
      reply.raw.end('end');
    });
    app.get('/broken', async (_request, reply) => reply.code(500).send());
    await app.listen({ port: 0, host: '127.0.0.1' });
    return listening(app.server);
  },

  hono: (health, gate, options) => {
    const server = serve({ fetch: honoApp(health, gate, options).fetch, port: 0, hostname: '127.0.0.1' });
    return listening(server as Server);
  },
};

export function honoApp(health: Health, gate: Gate, options?: FrameworkOptions): Hono {
  const app = new Hono();
  app.use(honoHealth(health, options));
  app.get('/hello', (context) => {
    trackedRequest(context)?.tokens(2);
    return context.text('hello');
  });
  app.get('/slow', (context) =>
    streamText(context, async (stream) => {
      await stream.write('slow ');
      await gate.open;
      await stream.write('end');
    }),
  );
  app.get('/broken', (context) => context.body(null, 500));
  return app;
}
