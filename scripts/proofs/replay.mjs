// No worker is killed here: the same prompt token by token, and once more for every position of it as a replay (prompt and the
// tokens so far in one batch, beside others), which must go on with the same token. Says how far apart the two were in their
// numbers, and how close the best token ever was to the second, so that a difference has its reason.
//
//   npm run proof -- replay [--model FILE.gguf] [--prompts 12] [--tokens 200] [--sequences 8] [--stride 1]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';
import { parseArgs } from '../lib/parse-args.mjs';

/** The best few: what is far behind has no say, and its small numbers no precision. */
const COMPARED = 5;

/** @returns {Promise<boolean>} whether every replay went on as the undisturbed run */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const options = {
    ...{ model: { type: 'string' }, prompts: number(12), tokens: number(200) },
    ...{ sequences: number(8), stride: number(1) },
  };
  const { values } = parseArgs({ args, options });
  const [prompts, tokens, sequences, stride] = ['prompts', 'tokens', 'sequences', 'stride'].map((name) =>
    Number(values[name]),
  );
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-replay-'));
  try {
    const path = values.model ?? join(folder, 'tiny.gguf');
    if (values.model === undefined) writeFileSync(path, tinyGguf());
    return report(await compare(path, { prompts, tokens, sequences, stride }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function compare(path, { prompts, tokens, sequences, stride }) {
  const { getLlama } = await import('../../examples/llama/node_modules/node-llama-cpp/dist/index.js');
  const llama = await getLlama({
    ...{ build: 'never', gpu: false, skipDownload: true, progressLogs: false },
    ...{ maxThreads: 1, logLevel: 'error' },
  });
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({
    ...{ sequences, contextSize: tokens + 100, batchSize: 2 * (tokens + 100), threads: 1 },
  });
  const free = Array.from({ length: sequences }, () => context.getSequence());
  const runs = Array.from({ length: prompts }, (_, index) => ({
    ids: [model.tokens.bos, ...model.tokenize(`story ${index} tells of`)],
    steps: [],
  }));
  const steps = async (sequence, ids, count) => {
    await sequence.clearHistory();
    const taken = [];
    const metadata = { probabilities: true };
    for await (const step of sequence.evaluateWithMetadata(ids, metadata, { temperature: 0 })) {
      if (model.isEogToken(step.token)) break;
      taken.push({ token: step.token, probabilities: step.probabilities });
      if (taken.length >= count) break;
    }
    return taken;
  };
  // One after the other: nothing else is in the batch.
  for (const run of runs) run.steps = await steps(free[0], run.ids, tokens);
  const figures = { replays: 0, differences: [], shift: 0, gaps: [] };
  for (const { steps: own } of runs)
    for (const { probabilities } of own) figures.gaps.push(gap(probabilities));
  const replays = runs.flatMap((run, prompt) =>
    run.steps.flatMap((_, position) => (position % stride === 0 ? [{ run, prompt, position }] : [])),
  );
  // Side by side, so that the batches differ from those of the undisturbed run in every way.
  await Promise.all(
    free.map(async (sequence) => {
      for (let next = replays.pop(); next !== undefined; next = replays.pop()) {
        const { run, prompt, position } = next;
        const { token, probabilities } = run.steps[position];
        const before = run.steps.slice(0, position).map((step) => step.token);
        const [again] = await steps(sequence, [...run.ids, ...before], 1);
        figures.replays += 1;
        figures.shift = Math.max(figures.shift, shift(probabilities, again?.probabilities));
        if (again?.token !== token) figures.differences.push({ prompt, position, gap: gap(probabilities) });
      }
    }),
  );
  await llama.dispose();
  return figures;
}

/** How far the best token leads the second, in natural logarithms of their probabilities. */
function gap(probabilities) {
  const [best, second] = probabilities.values();
  return Math.log(best / second);
}

function shift(before, after = new Map()) {
  const best = [...before].slice(0, COMPARED).filter(([token, value]) => value > 0 && after.get(token) > 0);
  return Math.max(0, ...best.map(([token, value]) => Math.abs(Math.log(after.get(token) / value))));
}

function report({ replays, differences, shift: most, gaps }) {
  gaps.sort((a, b) => a - b);
  const [smallest] = gaps;
  const median = gaps[gaps.length >> 1];
  console.log(
    `smallest lead of the best token: ${exact(smallest)}, median ${exact(median)} (log probability)`,
  );
  console.log(`largest shift of a log probability between replay and undisturbed run: ${exact(most)}`);
  for (const { prompt, position, gap: lead } of differences.slice(0, 10))
    console.log(`  prompt ${prompt}, token ${position}: another token, where the lead was ${exact(lead)}`);
  const holds = differences.length === 0;
  console.log(
    `${holds ? 'holds' : 'FAILS'}  ${replays} replays, ${differences.length} went on with another token`,
  );
  return holds;
}

const exact = (value) => (value === 0 ? '0' : value.toExponential(1));
