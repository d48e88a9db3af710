// A process that samples GPUs and then ends as it is told; for steps.mjs.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openGpu } from './native.mjs';

const require = createRequire(import.meta.url);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function sample() {
  const gpu = openGpu();
  gpu.native.startGpu({ fastMs: 100, mediumMs: 500 });
  await gpu.until(() => gpu.state() !== 'starting' && gpu.state() !== 'off', 60_000);
  return gpu;
}

async function serve() {
  const { startHealth } = require('../../../dist/cjs/index.js');
  try {
    const health = await startHealth({
      port: 0,
      host: '127.0.0.1',
      dialect: 'bitnet',
      gpu: { mode: 'required' },
    });
    const [listener] = health.listeners;
    say({ base: `http://127.0.0.1:${listener.port}` });
    process.stdin.resume();
  } catch (error) {
    say({ error: error.message });
  }
}

const how = isMainThread ? process.argv[2] : workerData;
if (how === 'serve') {
  await serve();
} else if (how === 'worker' && isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: 'in-worker' });
  await new Promise((resolve) => worker.once('message', resolve));
  say({});
  await worker.terminate();
} else {
  await sample();
  if (isMainThread) say({});
  else parentPort.postMessage('sampling');
  if (how === 'process.exit') process.exit(3);
  if (how === 'SIGTERM' || how === 'in-worker') setInterval(() => undefined, 1000);
}
