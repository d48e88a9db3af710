import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { expect, test } from 'vitest';
import { createAdmission } from '../../lib/admission/admission.js';
import { NO_LIMITS } from '../../lib/admission/policy.js';

const full = createAdmission({ limits: { ...NO_LIMITS, maxConcurrent: 1, maxQueue: 0 } });
await full.admit();

test('a refusal that a handler of fastify throws is answered with 503 and Retry-After', async () => {
  const app = fastify();
  app.get('/', async () => full.admit());
  const { statusCode, headers } = await app.inject('/');
  expect([statusCode, headers['retry-after']]).toEqual([503, '1']);
  await app.close();
});

test('a refusal that a handler of express throws is answered with 503 and Retry-After', async () => {
  const app = express();
  app.set('env', 'test');
  app.get('/', async () => void (await full.admit()));
  const server: Server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { status, headers } = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  server.closeAllConnections();
  server.close();
});
