// Requests whose clients leave at random moments: before the request is whole, before an answer, in the middle of the stream, or
// not at all. At the end nothing may be left: not in the gauges, not in the engines, not in memory; and an engine must have stopped soon.
//
//   npm run proof -- cancels [--requests 100000] [--clients 100] [--workers 2] [--seed 1]
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from '../lib/parse-args.mjs';
import { createRandom } from '../lib/random.mjs';
import { beacon, memoryOf, metrics, percentile, until, verdict, withBatchFleet } from './lib/batch-fleet.mjs';

const STOP_MS = 50;
/** What Node needs besides until it has seen everything once is over by a fifth of the requests. */
const SETTLED = 0.2;
const GROWTH_MIB = 32;
/** After a full collection nothing of a request is left; what is, is what the code itself has come to. */
const HEAP_MIB = 3;
const STEP_MS = 5;
const PREFIX = 'inference_health_';

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const options = { requests: number(100_000), clients: number(100), workers: number(2), seed: number(1) };
  const { values } = parseArgs({ args, options });
  const plan = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  const fleet = { workers: plan.workers, slots: 10_000, stepMs: STEP_MS };
  return withBatchFleet(fleet, (started) => run(started, plan));
}

async function run({ frontend, workers }, { requests, clients, seed }) {
  const random = createRandom(seed);
  const left = new Map();
  const stops = [];
  let isCollecting = false;
  for (const { child } of workers)
    child.on('message', ({ stopped, atMs }) => {
      const leftMs = left.get(stopped);
      left.delete(stopped);
      // A collection that was asked for stops everything for as long as it takes.
      if (leftMs !== undefined && !isCollecting) stops.push(atMs - leftMs);
    });
  const counts = { half: 0, early: 0, decode: 0, whole: 0, failed: 0 };
  let begun = 0;
  let before = null;
  const all = [frontend, ...workers];
  const collect = async () => {
    isCollecting = true;
    const memory = await Promise.all(all.map(memoryOf));
    await sleep(300);
    isCollecting = false;
    return memory;
  };
  const one = async () => {
    while (begun < requests) {
      begun += 1;
      if (before === null && begun >= requests * SETTLED) before = collect();
      counts[await request(frontend.url, `${begun}`, random, left)] += 1;
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: clients }, one));
  const seconds = (performance.now() - startMs) / 1000;

  const gauges = [`${PREFIX}requests_in_flight`, `${PREFIX}requests_queued`];
  const inFlight = async () => {
    const now = await metrics(frontend.url);
    const own = [...now].filter(([name]) => name.startsWith(`${PREFIX}worker_requests_in_flight`));
    return [...gauges.map((name) => now.get(name)), ...own.map(([, value]) => value)];
  };
  const isZero = (values) => values.every((value) => value === 0);
  const engines = async () =>
    (await Promise.all(workers.map(({ url }) => beacon(url)))).flatMap(({ running, waiting }) => [
      running,
      waiting,
    ]);
  // What is wrong stays so: it is printed as it is then.
  await until(async () => isZero(await inFlight()) && isZero(await engines()), '', 5000).catch(
    () => undefined,
  );
  await sleep(500);
  const left0 = await inFlight();
  const tasks = await engines();
  const memory = await Promise.all(all.map(memoryOf));
  const first = await before;
  const growthOf = (what) => memory.map((each, index) => each[what] - first[index][what]);
  const [growth, heap] = [growthOf('rssMiB'), growthOf('heapMiB')];
  console.log(`open in the end, frontend and workers: ${memory.map(({ handles }) => handles).join('; ')}`);
  const ended = [...(await metrics(frontend.url))].filter(([name]) =>
    name.startsWith(`${PREFIX}requests_total`),
  );
  console.log(
    `${requests} requests in ${seconds.toFixed(0)} s: left in the middle of the request ${counts.half}, before the first token ${counts.early}, in decode ${counts.decode}; read to the end ${counts.whole}, failed ${counts.failed}`,
  );
  console.log(
    `the frontend's: ${ended.map(([name, value]) => `${name.slice(PREFIX.length)} ${value}`).join(', ')}`,
  );
  const p = (value) => `${percentile(stops, value).toFixed(1)} ms`;
  return verdict([
    [`gauges of the frontend: ${left0.join(', ')}`, isZero(left0)],
    [`running and waiting in the engines: ${tasks.join(', ')}`, isZero(tasks)],
    [`none failed that was read to the end: ${counts.failed}`, counts.failed === 0],
    [
      `hang-up to engine stopped, in decode: p50 ${p(0.5)}, p99 ${p(0.99)} of ${stops.length} (< ${STOP_MS} ms)`,
      stops.length > 0 && percentile(stops, 0.99) < STOP_MS,
    ],
    [`every engine was told: ${left.size} not`, left.size === 0],
    [
      `heap after a collection, against that after a fifth of them, frontend and workers: ${heap.map(mib).join(', ')} (≤ ${HEAP_MIB})`,
      heap.every((each) => each <= HEAP_MIB),
    ],
    [
      `resident memory, likewise: ${growth.map(mib).join(', ')} (≤ ${GROWTH_MIB})`,
      growth.every((each) => each <= GROWTH_MIB),
    ],
  ]);
}

const mib = (value) => `${value.toFixed(1)} MiB`;

/** Resolves with how it went. */
function request(url, id, random, left) {
  const { port, hostname } = new URL(url);
  const kind = random();
  const stream = random() < 0.8;
  const isTimed = kind >= 0.3 && kind < 0.7 && stream;
  const prompt = `${isTimed ? 'timed' : 'other'} ${id}`;
  const maxTokens = kind < 0.7 ? 1000 : 1 + Math.floor(random() * 8);
  const body = JSON.stringify({ prompt, stream, max_tokens: maxTokens });
  const text = `POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return new Promise((resolve) => {
    const socket = net.connect({ port: Number(port), host: hostname, noDelay: true });
    let received = '';
    let isOver = false;
    const over = (how) => {
      if (isOver) return;
      isOver = true;
      socket.destroy();
      resolve(how);
    };
    socket.on('error', () => over('failed'));
    socket.on('close', () => over('failed'));
    socket.on('connect', () => {
      if (kind < 0.1) {
        socket.write(text.slice(0, Math.floor(random() * text.length)));
        setTimeout(() => over('half'), random() * 10);
        return;
      }
      socket.write(text);
      if (kind < 0.3) setTimeout(() => over('early'), random() * 8);
      // Without a stream nothing shows that it is in decode.
      else if (kind < 0.7 && !stream) setTimeout(() => over('decode'), 20 + random() * 40);
    });
    socket.on('data', (chunk) => {
      if (isOver) return;
      const isFirst = received === '';
      received = (received + chunk.toString('latin1')).slice(-64);
      if (isFirst && !chunk.toString('latin1', 0, 12).endsWith('200')) return over('failed');
      if (isTimed && isFirst)
        setTimeout(() => {
          if (isOver) return;
          left.set(prompt, Number(process.hrtime.bigint()) / 1e6);
          over('decode');
        }, random() * 60);
      const isWhole = stream
        ? received.endsWith('0\r\n\r\n')
        : received.endsWith('}}') || received.endsWith('}');
      if (kind >= 0.7 && isWhole) over('whole');
    });
  });
}
