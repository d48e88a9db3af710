// npm run fit:service-model [-- --write]: how long the llama.cpp worker of examples/llama takes, as the model that
// scripts/lib/goodput computes with. Prints it; `--write` keeps it in scripts/lib/goodput/service-model.json.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from './lib/parse-args.mjs';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const example = fileURLToPath(new URL('../examples/llama', import.meta.url));
const file = fileURLToPath(new URL('lib/goodput/service-model.json', import.meta.url));
if (!existsSync(join(example, 'node_modules', 'node-llama-cpp'))) {
  console.error('node-llama-cpp is missing: npm ci --prefix examples/llama --omit=optional --ignore-scripts');
  process.exit(1);
}
const { startEngine } = await import(join(example, 'engine-client.mjs'));
const { tinyGguf } = await import(join(example, 'tiny-gguf.mjs'));

const SEQUENCES = 16;
const CONTEXT = 1024;
const OUTPUT = 100;
const WORDS = 'it was a bright cold day in april and the clocks were striking thirteen '
  .split(' ')
  .slice(0, -1);
const prompt = (tokens) =>
  Array.from({ length: tokens }, (_, index) => WORDS[index % WORDS.length]).join(' ');
const now = () => performance.now();
/** What the work itself takes: all that disturbs only adds. */
const least = (list) => Math.min(...list);

/** Slope and intercept by least squares. */
function line(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const slope =
    points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) /
    points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return { slope, base: y - slope * x };
}

const folder = mkdtempSync(join(tmpdir(), 'fit-'));
try {
  const path = join(folder, 'tiny.gguf');
  writeFileSync(path, tinyGguf());
  const engine = startEngine({ path, sequences: SEQUENCES, contextSize: CONTEXT, stdio: 'ignore' });
  await engine.ready;

  /** Time to the first token, and between the others. */
  async function one(tokens, maxTokens) {
    const started = now();
    let firstMs = Number.NaN;
    let count = 0;
    for await (const _ of engine.generate(
      { prompt: prompt(tokens), maxTokens },
      new AbortController().signal,
    )) {
      count += 1;
      if (count === 1) firstMs = now() - started;
    }
    return { firstMs, stepMs: (now() - started - firstMs) / Math.max(1, count - 1) };
  }

  await one(50, 20);
  const prefills = [];
  for (const tokens of [50, 200, 400, 600, 800]) {
    const times = [];
    for (let round = 0; round < 9; round += 1) times.push((await one(tokens, 1)).firstMs);
    prefills.push([tokens, least(times)]);
  }
  const steps = [];
  for (const batch of [1, 2, 4, 8, 16]) {
    const times = [];
    for (let round = 0; round < 4; round += 1) {
      const all = await Promise.all(Array.from({ length: batch }, () => one(50, OUTPUT)));
      times.push(least(all.map(({ stepMs }) => stepMs)));
    }
    steps.push([batch, least(times)]);
  }
  await engine.close();
  const step = line(steps);
  const round = (value) => Number(value.toPrecision(3));
  const model = {
    fittedTo: `examples/llama, ${cpus()[0]?.model ?? 'unknown CPU'}, 1 thread`,
    prefillTokensPerSecond: round(1000 / line(prefills).slope),
    stepBaseMs: round(Math.max(0.01, step.base)),
    stepPerSequenceMs: round(Math.max(0, step.slope)),
    maxSequences: SEQUENCES,
    kvTokens: SEQUENCES * CONTEXT,
    batchTokens: CONTEXT,
  };
  console.log(
    `prefill: ${prefills.map(([tokens, ms]) => `${tokens} tokens ${ms.toFixed(1)} ms`).join(', ')}`,
  );
  console.log(`step: ${steps.map(([batch, ms]) => `batch of ${batch} ${ms.toFixed(2)} ms`).join(', ')}`);
  const models = { ...JSON.parse(readFileSync(file, 'utf8')), llama: model };
  console.log(JSON.stringify(model, null, 2));
  if (values.write) writeFileSync(file, `${JSON.stringify(models, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
