// A worker process for tests: llama.cpp behind `serveWorker`. Sends { url } to its parent.
//   node llama-worker.mjs MODEL.gguf NAME
import { createRequire } from 'node:module';
import { startEngine } from '../../examples/llama/engine-client.mjs';

const { serveWorker } = createRequire(import.meta.url)('../../dist/cjs/worker/serve-worker.js');
const [path, name] = process.argv.slice(2);
const llama = startEngine({ path, sequences: 8, contextSize: 512, stdio: 'ignore' });
await llama.ready;

const worker = await serveWorker({
  port: 0,
  name,
  engine: {
    model: 'tiny',
    prompt: (prompt) => ({ tokens: prompt.length, ids: null }),
    generate: ({ prompt, generated, maxTokens }, scope) =>
      llama.generate({ prompt, maxTokens, history: generated }, scope.stopSignal),
    figures() {
      const { steps, running, waiting } = llama.load();
      return { step: steps, running, waiting };
    },
  },
});
worker.health.engine.watch({ child: llama.child });
process.send({ url: worker.url, pid: process.pid, enginePid: llama.child.pid });
