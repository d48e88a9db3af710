// Streams through a frontend while its workers, real llama.cpp behind `inference-health worker`, are killed, stopped and hung
// in turn: every text must be that of the undisturbed run. Needs `npm test` to have installed the engine.
//
//   npm run proof -- kills [--kills 100] [--stops 5] [--hangs 5] [--workers 3] [--streams 12] [--tokens 200] [--seed 1]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';

const CLI = fileURLToPath(new URL('../../dist/cjs/cli/main.js', import.meta.url));
const { startFrontend } = createRequire(import.meta.url)('../../dist/cjs/index.js');
const PROMPTS = 24;
const LIMITS = { detectionMs: 100, stopMs: 3000, hangMs: 5000 };

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const options = {
    ...{ kills: number(100), stops: number(5), hangs: number(5), workers: number(3) },
    ...{ streams: number(12), tokens: number(200), seed: number(1) },
  };
  const { values } = parseArgs({ args, options });
  const plan = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-kills-'));
  const model = join(folder, 'tiny.gguf');
  writeFileSync(model, tinyGguf());
  try {
    return await withWorkers(model, plan.workers, (workers) => run(workers, plan));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function withWorkers(model, count, use) {
  const workers = [];
  try {
    for (let i = 0; i < count; i += 1) workers.push(await startWorker(model, `worker-${i}`, 0));
    return await use(workers);
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
  }
}

async function startWorker(model, name, port) {
  const args = ['worker', '--model', model, '--name', name, '--http-port', String(port)];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    const found = /"url":"([^"]+)"/.exec(output);
    if (found !== null) {
      const restart = () => startWorker(model, name, Number(new URL(found[1]).port));
      return { name, child, url: found[1], restart };
    }
  }
  throw new Error(`${name} did not start`);
}

async function run(workers, { kills, stops, hangs, streams, tokens, seed }) {
  const moves = [];
  const logger = {
    debug() {},
    info(fields, message) {
      if (message === 'stream moves') moves.push({ ...fields, atMs: performance.now() });
    },
    warn() {},
    error() {},
  };
  const frontend = await startFrontend({ workers: workers.map(({ url }) => url), port: 0, logger });
  const random = createRandom(seed);
  const body = (index) => ({ prompt: `story ${index} tells of`, max_tokens: tokens, temperature: 0 });
  const stats = { whole: 0, wrong: 0, failed: 0, gaps: [], errors: new Map() };
  let isOver = false;
  try {
    await until(() => frontend.workers().every(({ state }) => state === 'serving'), 20_000);
    const wanted = [];
    for (let index = 0; index < PROMPTS; index += 1) wanted.push(await read(frontend.url, body(index)));
    const client = async () => {
      while (!isOver) {
        const index = Math.floor(random() * PROMPTS);
        const got = await read(frontend.url, body(index)).catch((error) => ({ error: error.message }));
        if (got.error !== undefined) {
          stats.failed += 1;
          stats.errors.set(got.error, (stats.errors.get(got.error) ?? 0) + 1);
        } else if (got.text === wanted[index].text && got.isDone) stats.whole += 1;
        else {
          stats.wrong += 1;
          console.log(`  ${difference(got, wanted[index].text, moves)}`);
        }
        if (got.gapMs !== undefined) stats.gaps.push(got.gapMs);
      }
    };
    const clients = Promise.all(Array.from({ length: streams }, client));
    const context = { frontend, workers, moves, random };
    const detections = await killWorkers(context, kills);
    console.log(`${kills} kills, ${moves.length} choices moved, ${stats.whole} streams whole so far`);
    const ejections = [];
    const hung = [];
    let problem = null;
    try {
      await stopWorkers(context, stops, ejections);
      await hangEngines(context, hangs, hung);
    } catch (error) {
      problem = error;
    }
    isOver = true;
    await clients;
    const holds = report({ moves, stats, detections, ejections, hung });
    if (problem !== null) console.log(`FAILS  ${problem.message}`);
    return holds && problem === null;
  } finally {
    isOver = true;
    await frontend.close();
  }
}

/** @returns milliseconds from each SIGKILL to the first and to the last stream that moved because of it */
async function killWorkers({ frontend, workers, moves, random }, count) {
  const detections = [];
  for (let i = 0; i < count; i += 1) {
    await sleep(100 + random() * 400);
    const index = Math.floor(random() * workers.length);
    const worker = workers[index];
    const before = moves.length;
    const atMs = performance.now();
    worker.child.kill('SIGKILL');
    await once(worker.child, 'exit');
    workers[index] = await worker.restart();
    const state = () => frontend.workers().find(({ url }) => url === worker.url)?.state;
    await until(() => state() === 'serving', 20_000);
    for (const move of moves.slice(before)) if (move.from === worker.name) detections.push(move.atMs - atMs);
  }
  return detections;
}

/** Adds milliseconds from each SIGSTOP until the worker is out. */
async function stopWorkers({ frontend, workers, random }, count, times) {
  for (let i = 0; i < count; i += 1) {
    const { worker, view } = await anyBusy(frontend, workers, random);
    const atMs = performance.now();
    worker.child.kill('SIGSTOP');
    await until(() => view().isEjected || view().condition === 'frozen', 10_000);
    times.push(performance.now() - atMs);
    worker.child.kill('SIGCONT');
    await recover(workers, worker);
  }
}

/** The engine's process is stopped, its worker goes on. Adds milliseconds until its streams have moved. */
async function hangEngines({ frontend, workers, moves, random }, count, times) {
  for (let i = 0; i < count; i += 1) {
    const { worker, view } = await anyBusy(frontend, workers, random);
    const { pid } = worker.child;
    const [engine] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const before = moves.length;
    const atMs = performance.now();
    process.kill(Number(engine), 'SIGSTOP');
    await until(() => moves.slice(before).some(({ from }) => from === worker.name), 10_000);
    await until(() => view().inFlight === 0, 10_000);
    times.push(performance.now() - atMs);
    process.kill(Number(engine), 'SIGCONT');
    await recover(workers, worker);
  }
}

/** One that serves streams and is not out, so that what happens to it is seen. */
async function anyBusy(frontend, workers, random) {
  const isFit = ({ state, condition, inFlight, isEjected }) =>
    state === 'serving' && condition === 'alive' && inFlight > 0 && !isEjected;
  // Only so many may be out at a time: the next one waits for the last to be back.
  const isQuiet = () => frontend.workers().every(({ isEjected }) => !isEjected);
  await until(() => isQuiet() && frontend.workers().filter(isFit).length > 1, 60_000);
  const fit = frontend.workers().filter(isFit);
  const { url } = fit[Math.floor(random() * fit.length)];
  const view = () => frontend.workers().find((each) => each.url === url);
  return { worker: workers.find((each) => each.url === url), view };
}

/** A worker whose engine stood still for too long ends by itself, to be started anew: as it would be anywhere. */
async function recover(workers, worker) {
  await sleep(1000);
  const { exitCode, signalCode } = worker.child;
  if (exitCode !== null || signalCode !== null) workers[workers.indexOf(worker)] = await worker.restart();
}

/** Where a text parts from the undisturbed one, and where the stream moved before: what a person needs to find out why. */
function difference({ id, text, isDone }, wanted, moves) {
  let at = 0;
  while (at < text.length && text[at] === wanted[at]) at += 1;
  const own = moves.filter(({ request }) => request === id);
  const moved = own.map(({ outcome, tokens }) => `${outcome} at token ${tokens}`).join(', ');
  return `${isDone ? 'ended' : 'cut off'} at character ${text.length} of ${wanted.length}, the same up to ${at}; moved: ${moved || 'never'}`;
}

function report({ moves, stats, detections, ejections, hung }) {
  const { whole, wrong, failed, gaps, errors } = stats;
  console.log(`streams: ${whole + wrong + failed}, choices moved: ${moves.length}`);
  for (const [error, count] of errors) console.log(`  ${count} × ${error}`);
  console.log(`longest gap between two pieces of a stream: ${percentiles(gaps)}`);
  const rows = [
    [`text as in the undisturbed run: ${whole}, other: ${wrong}, failed: ${failed}`, wrong + failed === 0],
    row('SIGKILL to the move of a stream', detections, 0.99, LIMITS.detectionMs),
    row('SIGSTOP until the worker is out', ejections, 1, LIMITS.stopMs),
    row('hung engine to the last stream moved', hung, 1, LIMITS.hangMs),
  ];
  for (const [text, holds] of rows) console.log(`${holds ? 'holds' : 'FAILS'}  ${text}`);
  return rows.every(([, holds]) => holds);
}

function row(what, times, share, limitMs) {
  const isMet = times.length === 0 || percentile(times, share) < limitMs;
  return [`${what}: ${percentiles(times)} (< ${limitMs} ms)`, isMet];
}

function percentiles(times) {
  if (times.length === 0) return 'none';
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => percentile(times, share).toFixed(0));
  return `p50 ${p50}, p99 ${p99}, max ${max} ms of ${times.length}`;
}

function percentile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** One stream of OpenAI's events. */
async function read(url, body) {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  });
  if (response.status !== 200) throw new Error(`${response.status} ${(await response.text()).slice(0, 200)}`);
  let rest = '';
  let text = '';
  let isDone = false;
  let gapMs = 0;
  let lastMs = null;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const nowMs = performance.now();
    if (lastMs !== null) gapMs = Math.max(gapMs, nowMs - lastMs);
    lastMs = nowMs;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      if (line === 'data: [DONE]') {
        isDone = true;
        continue;
      }
      const event = JSON.parse(line.slice('data: '.length));
      if (event.error !== undefined) throw new Error(event.error.message);
      text += event.choices[0]?.text ?? '';
    }
  }
  return { id: response.headers.get('x-request-id'), text, isDone, gapMs };
}

async function until(condition, limitMs) {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not so within ${limitMs} ms: ${condition}`);
    await sleep(5);
  }
}

/** Mulberry32. */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
