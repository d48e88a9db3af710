// Health for an express server: probes on a port of their own, and the same paths on the application's port.
//
//   node examples/express.mjs
//   curl localhost:3000/health            for people and load balancers that reach one port only
//   curl localhost:8081/health/ready      for the orchestrator: answers whatever the main thread does
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { startHealth } from 'inference-health';
import { expressHealth, trackedRequest } from 'inference-health/express';

const health = await startHealth({ shutdown: true });
health.model.loading();
// A dependency: asked every 5 s, with a timeout, never twice at a time. Not critical, so it degrades but keeps serving.
health.check('prompt_cache', async ({ signal }) => {
  await sleep(5, undefined, { signal });
});

const app = express();
// Health routes, request counts, admission and drain, before everything else.
app.use(expressHealth(health));

app.get('/generate', async (request, response) => {
  for (const word of 'The clocks were striking thirteen .'.split(' ')) {
    await sleep(20);
    trackedRequest(request)?.tokens(1);
    response.write(`${word} `);
  }
  response.end('\n');
});

app.get('/block', (request, response) => {
  const end = Date.now() + Number(request.query.ms ?? 2000);
  while (Date.now() < end);
  response.send('done\n');
});

await sleep(200); // loading the weights
health.model.ready();
const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`app on port ${server.address().port}, probes on port ${health.listeners[0].port}`);
});
