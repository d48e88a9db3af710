// Health for a fastify server: readiness of one endpoint, a plugin that counts and admits requests, an orderly end.
//
//   node examples/fastify.mjs
//   curl localhost:3000/generate
//   curl 'localhost:8081/readyz?verbose'
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';
import { startHealth } from 'inference-health';
import { fastifyHealth, trackedRequest } from 'inference-health/fastify';

const health = await startHealth({ shutdown: true });
health.model.loading();
const generate = health.endpoint('generate');

const app = Fastify();
// Health routes, request counts, admission and drain, for every route of the application.
await app.register(fastifyHealth(health));

app.get('/generate', async (request) => {
  const words = [];
  for (const word of 'Big Brother is watching you .'.split(' ')) {
    await sleep(20);
    trackedRequest(request.raw)?.tokens(1);
    words.push(word);
  }
  return { text: words.join(' ') };
});

app.get('/block', async (request) => {
  const end = Date.now() + Number(request.query.ms ?? 2000);
  while (Date.now() < end);
  return 'done';
});

await sleep(200); // loading the weights
health.model.ready();
await app.listen({ port: Number(process.env.PORT ?? 3000) });
generate.ready();
// On SIGTERM: not ready at once, new requests are refused, those in flight end, then the application closes.
health.onShutdown('app', () => app.close());
console.log(`app on port ${app.server.address().port}, probes on port ${health.listeners[0].port}`);
