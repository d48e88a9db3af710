/**
 * A worker process around the toy engine: `node toy-worker.js NAME PORT TOKEN_MS [ADVERTISED_URL]`. Lines on standard input steer it
 * (`{"tokenMs":5}`, `{"hangs":true}`); their end ends it.
 */
import { createInterface } from 'node:readline';
import { runFleet, withFreeProbePort } from '../cli/fleet-run.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { serveWorker } from '../worker/serve-worker.js';
import { createToyEngine } from './toy-engine.js';

const [name = 'toy', port = '0', tokenMs = '10', advertise] = process.argv.slice(2);
const engine = createToyEngine(Number(tokenMs));

const started = runFleet('toy-worker', async (logger) => {
  const served = await serveWorker({
    name,
    port: Number(port),
    health: withFreeProbePort({}, isListenerConfigured()),
    logger,
    engine,
    ...(advertise === undefined ? {} : { discovery: { advertise } }),
  });
  served.health.onShutdown('worker', () => served.closeApi());
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const { tokenMs: ms = engine.tokenMs, hangs = engine.hangs } = JSON.parse(line) as Partial<
        typeof engine
      >;
      Object.assign(engine, { tokenMs: ms, hangs });
    })
    .on('close', () => process.exit());
  return { url: served.url, worker: served.name };
});

started.then((code) => {
  if (code !== undefined) process.exitCode = code;
});
