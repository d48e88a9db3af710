// A worker process whose engine decodes in batches without a model: each step gives every running sequence a token, and what
// is beyond its slots waits. `fork(batch-worker.mjs, [NAME, JSON of { stepMs, slots }])` tells { url }, then
// { stopped: PROMPT, atMs } for each prompt that begins with "timed" and was told to end (CLOCK_MONOTONIC).
import { createRequire } from 'node:module';
import './tell-memory.mjs';

const { serveWorker } = createRequire(import.meta.url)('../../../dist/cjs/index.js');
const [name, options] = process.argv.slice(2);
const { stepMs, slots } = JSON.parse(options);
const words = [' the', ' engine', 'ing', ' of', ' answers', '.'].map((word) => Buffer.from(word));

let step = 0;
let scheduledTokens = 0;
const sequences = new Set();

setInterval(() => {
  if (sequences.size === 0) return;
  step += 1;
  let left = slots;
  for (const sequence of sequences) {
    if (left === 0) break;
    left -= 1;
    scheduledTokens += 1;
    sequence.wake?.();
  }
}, stepMs);

async function* generate({ prompt, generated, maxTokens }, { stopSignal }) {
  const sequence = { wake: null };
  sequences.add(sequence);
  const onAbort = () => {
    sequences.delete(sequence);
    sequence.wake?.();
    const text = typeof prompt === 'string' ? prompt : Buffer.from(prompt).toString();
    if (text.startsWith('timed'))
      process.send({ stopped: text, atMs: Number(process.hrtime.bigint()) / 1e6 });
  };
  if (stopSignal.aborted) onAbort();
  stopSignal.addEventListener('abort', onAbort);
  try {
    for (let seq = generated.length; seq < maxTokens; seq += 1) {
      if (stopSignal.aborted) throw stopSignal.reason;
      await new Promise((resolve) => {
        sequence.wake = resolve;
      });
      if (stopSignal.aborted) throw stopSignal.reason;
      yield { seq, tokenId: seq % 1000, bytes: words[seq % words.length], tokens: 1 };
    }
  } finally {
    stopSignal.removeEventListener('abort', onAbort);
    sequences.delete(sequence);
  }
}

const worker = await serveWorker({
  ...{ name, port: 0 },
  engine: {
    model: 'batch',
    prompt(prompt) {
      const ids = typeof prompt === 'string' ? [...Buffer.from(prompt)] : prompt;
      return { tokens: ids.length, ids };
    },
    generate,
    figures: () => ({
      ...{ step, scheduledTokens, expectedStepMs: stepMs },
      running: Math.min(slots, sequences.size),
      waiting: Math.max(0, sequences.size - slots),
      activeTokens: sequences.size,
    }),
  },
});
process.on('disconnect', () => process.exit());
process.send({ url: worker.url });
