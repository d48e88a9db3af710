// A server with a real llama.cpp engine: streaming, canary, watchdog, drain. The engine is a child process, so that the
// server survives what kills it, and can say so. The model is generated, half a megabyte of random weights.
//
//   npm ci --prefix examples/llama --omit=optional --ignore-scripts
//   node examples/llama.mjs
//   curl -N localhost:3000/generate -d '{ "prompt": "it was a bright cold day" }'
//   kill -STOP $(pgrep -f llama/engine.mjs); curl 'localhost:8081/readyz?verbose'      hung: 503, and why; -CONT heals it
//   kill -KILL $(pgrep -f llama/engine.mjs)                                            dead: drain, exit code 1
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { startHealth } from 'inference-health';
import { httpHealth } from 'inference-health/node-http';
import { startEngine } from './llama/engine-client.mjs';
import { tinyGguf } from './llama/tiny-gguf.mjs';

const health = await startHealth({
  shutdown: true,
  // The container restarts with a new engine: this example has no way to replace one.
  onEngineFailure: 'shutdown',
  // A request of its own to an idle endpoint, every 10 s.
  canary: true,
});
health.model.loading();
health.engine.loading();

const engine = startEngine({ path: process.env.MODEL ?? tinyModel() });
// Dead when the process ends; stalled when it is stopped, sends no heartbeat, or has requests and computes no steps.
const watch = health.engine.watch({ child: engine.child, heartbeat: 'ipc', progress: engine.steps });
health.onShutdown('engine', () => {
  watch.stop();
  return engine.close();
});
await engine.ready;
health.engine.ready();
health.model.ready();

const endpoint = health.endpoint('generate').serve(
  ({ prompt, maxTokens = 64 }, scope) => {
    const request = { prompt: String(prompt), maxTokens: Math.min(Number(maxTokens), 900) };
    // The engine is told in the turn in which the client goes, the deadline passes or the drain ends the request.
    return engine.generate(request, scope.stopSignal);
  },
  { canaryPayload: { prompt: 'the clocks were', maxTokens: 2 } },
);

async function generate(request, response) {
  const client = new AbortController();
  response.once('close', () => client.abort());
  try {
    for await (const frame of endpoint.call(await json(request), { signal: client.signal })) {
      const { seq, tokenId, bytes } = frame;
      // Behind the first token, so that a refusal still is a 503.
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
      const isTaken = response.write(
        `data: ${JSON.stringify({ seq, tokenId, text: bytes.toString('utf8') })}\n\n`,
      );
      if (!isTaken) await once(response, 'drain', { signal: client.signal });
    }
    response.end('event: end\ndata: {}\n\n');
  } catch (error) {
    const { code = 'ERR_ENGINE', message, statusCode = 500, headers = {} } = error;
    const body = JSON.stringify({ code, message });
    // A stream that breaks says so: an end without `event: end` is no end.
    if (response.headersSent) response.end(`event: error\ndata: ${body}\n\n`);
    else response.writeHead(statusCode, { 'content-type': 'application/json', ...headers }).end(body);
  }
}

// serve() counts and admits what it serves; the rest is health's routes and 404.
const server = createServer(
  httpHealth(
    health,
    (request, response) => {
      if (request.method === 'POST' && request.url === '/generate') generate(request, response);
      else response.writeHead(404).end();
    },
    { track: false },
  ),
);
server.listen(Number(process.env.PORT ?? 3000), () => {
  const [{ port }] = health.listeners;
  console.log(`app on port ${server.address().port}, probes on port ${port}, engine ${engine.child.pid}`);
});

/** In a folder of its own, which can go once the engine has mapped the file. */
function tinyModel() {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-llama-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'tiny.gguf');
  writeFileSync(path, tinyGguf());
  return path;
}
