// BitNet.rs's example server in Node: its health endpoints on port 8080, for a model that is always about to answer.
//
//   node examples/health-endpoints.mjs
//   curl http://localhost:8080/health | jq
//   curl -w "%{http_code}\n" http://localhost:8080/health/live
//   curl -w "%{http_code}\n" http://localhost:8080/health/ready
import { setTimeout as sleep } from 'node:timers/promises';
import { startHealth } from 'inference-health';

const health = await startHealth({ port: Number(process.env.PORT ?? 8080), shutdown: true });

// Not ready until the model is. The first claim makes a component count, so claim before you load.
health.model.loading();
health.engine.loading();
await sleep(500);
health.model.ready();
health.engine.ready();
console.log(`health on port ${health.listeners[0].port}`);

// Requests, so that the metrics move. This loop also keeps the process alive: health alone does not.
for (;;) {
  const request = health.requests.begin();
  for (let token = 0; token < 10; token += 1) {
    await sleep(20);
    request.tokens(1);
  }
  request.end();
  await sleep(300);
}
