// A worker whose engine has its tokens from another worker, as of a prefill or a draft model elsewhere. Sends { url } to its
// parent, then { asked } with the headers of each call below.
//   node chain-worker.mjs NEXT_URL
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { serveWorker } = require('../../dist/cjs/worker/serve-worker.js');
const { downstream } = require('../../dist/cjs/requests/downstream.js');
const [next] = process.argv.slice(2);
let step = 0;
let running = 0;

async function* generate({ prompt, maxTokens }, scope) {
  const { headers, signal } = downstream(scope, 'draft');
  process.send({ asked: headers });
  running += 1;
  try {
    const body = JSON.stringify({ prompt, max_tokens: maxTokens, stream: true });
    const response = await fetch(`${next}/v1/completions`, { method: 'POST', headers, signal, body });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    let seq = 0;
    let rest = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const text = line.startsWith('data: {') ? JSON.parse(line.slice(6)).choices[0]?.text : '';
        if (!text) continue;
        step += 1;
        yield { seq, tokenId: seq, bytes: Buffer.from(text), tokens: 1 };
        seq += 1;
      }
    }
  } finally {
    running -= 1;
  }
}

const worker = await serveWorker({
  port: 0,
  name: 'chain',
  engine: {
    model: 'toy',
    prompt: (prompt) => ({ tokens: prompt.length, ids: null }),
    generate,
    figures: () => ({ step, running, waiting: 0 }),
  },
});
process.on('disconnect', () => process.exit());
process.send({ url: worker.url });
