// Health for a hono server on Node: one middleware counts and admits requests and answers health routes.
//
//   node examples/hono.mjs
//   curl -N localhost:3000/generate
//   curl localhost:3000/readyz            on the application's port; localhost:8081/readyz whatever the main thread does
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { streamText } from 'hono/streaming';
import { startHealth } from 'inference-health';
import { honoHealth, trackedRequest } from 'inference-health/hono';

const health = await startHealth({ shutdown: true });
health.model.loading();

const app = new Hono();
// A streamed answer counts until its end, or until the client is gone.
app.use(honoHealth(health));

app.get('/generate', (context) =>
  streamText(context, async (stream) => {
    for (const word of 'Who controls the past controls the future .'.split(' ')) {
      await sleep(20);
      trackedRequest(context)?.tokens(1);
      await stream.write(`${word} `);
    }
  }),
);

app.get('/block', (context) => {
  const end = Date.now() + Number(context.req.query('ms') ?? 2000);
  while (Date.now() < end);
  return context.text('done');
});

await sleep(200); // loading the weights
health.model.ready();
const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`app on port ${port}, probes on port ${health.listeners[0].port}`);
});
health.onShutdown('server', server);
