// Health for a fastify server: readiness of one endpoint, requests counted by hooks, an orderly end.
//
//   node examples/fastify.mjs
//   curl localhost:3000/generate
//   curl 'localhost:8081/readyz?verbose'
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';
import { startHealth } from 'inference-health';

const health = await startHealth({ shutdown: true });
health.model.loading();
const generate = health.endpoint('generate');

const app = Fastify();
app.decorateRequest('counted', null);
app.addHook('onRequest', async (request) => {
  request.counted = health.requests.begin();
});
app.addHook('onResponse', async (request, reply) => {
  if (reply.statusCode < 500) request.counted.end();
  else request.counted.fail();
});
app.addHook('onRequestAbort', async (request) => request.counted.fail());

app.get('/generate', async (request) => {
  const words = [];
  for (const word of 'Big Brother is watching you .'.split(' ')) {
    await sleep(20);
    request.counted.tokens(1);
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
// On SIGTERM health turns not ready at once and the process ends when the requests in flight have; nothing new comes in.
health.once('drain', () => app.close());
console.log(`app on port ${app.server.address().port}, probes on port ${health.listeners[0].port}`);
