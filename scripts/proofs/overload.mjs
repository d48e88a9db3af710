// Three times the load that real worker processes can serve, on a frontend with a limit and a queue: how much of what they
// could serve at best still meets its deadlines, what the refused are told and how soon, and whether memory stays bounded.
//
//   npm run proof -- overload [--for 60] [--load 3] [--workers 3] [--slots 16] [--step 25] [--tokens 64] [--seed 1]
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from '../lib/parse-args.mjs';
import { createRandom } from '../lib/random.mjs';
import { metrics, percentile, rssMiB, verdict, withBatchFleet } from './lib/batch-fleet.mjs';

/** What a request must keep to count: milliseconds to its first token, and between two on average. */
const FIRST_TOKEN_MS = 2000;
const INTER_TOKEN_STEPS = 3;
const QUEUE_MS = 500;
const GOODPUT = 0.95;
const REJECTION_SECONDS = 0.001;
const GROWTH_MIB = 64;

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const options = {
    ...{ for: number(60), load: number(3), workers: number(3), slots: number(16), step: number(25) },
    ...{ tokens: number(64), seed: number(1) },
  };
  const { values } = parseArgs({ args, options });
  const plan = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  const { workers, slots, step, tokens } = plan;
  // As long as what is served in half a second: who waits longer would be late, and is better told so at once.
  const maxQueue = Math.ceil((QUEUE_MS * workers * slots) / (tokens * step));
  const queue = { name: 'default', maxQueue, reservedTokens: 0, queueTimeoutMs: 2000, promoteAfterMs: 2000 };
  const frontend = { admission: { maxConcurrent: workers * slots, classes: [queue] } };
  return withBatchFleet({ workers, slots, stepMs: step, frontend }, (fleet) => run(fleet, plan));
}

async function run({ frontend }, plan) {
  const { slots, workers, step, tokens, load, seed } = plan;
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const client = { url: frontend.url, agent, tokens, interTokenMs: INTER_TOKEN_STEPS * step };
  const random = createRandom(seed);

  // As many clients as there are places, each with its next request behind the last: the most that can be served.
  await closedLoop(client, workers * slots, 2);
  const peakSeconds = Math.max(5, plan.for / 4);
  const peak = goodput(await closedLoop(client, workers * slots, peakSeconds), peakSeconds, tokens);

  const perSecond = (load * peak) / tokens;
  const rss = [];
  const watch = setInterval(() => rss.push(rssMiB(frontend)), 500);
  const before = await metrics(frontend.url);
  const results = await openLoop(client, perSecond, plan.for, random);
  clearInterval(watch);
  const after = await metrics(frontend.url);
  agent.destroy();

  const kept = goodput(results, plan.for, tokens);
  const rejected = results.filter(({ status }) => status === 503);
  const failed = results.filter(({ status }) => status !== 200 && status !== 503);
  const late = results.filter(({ status, isGood }) => status === 200 && !isGood);
  const bucket = (le) =>
    delta(before, after, `inference_health_rejection_duration_seconds_bucket{le="${le}"}`);
  const immediate = bucket('+Inf');
  const growthMiB = percentile(rss.slice(rss.length / 2), 1) - percentile(rss.slice(0, rss.length / 2), 1);
  console.log(
    `${results.length} requests in ${plan.for} s, ${load} times what ${workers} workers of ${slots} places can serve: ${rejected.length} refused, ${late.length} late, ${failed.length} failed`,
  );
  console.log(`refused in less than: ${bounds(bucket, immediate)}`);
  console.log(
    `frontend: ${rss[0]?.toFixed(0)} MiB at the beginning, ${percentile(rss, 1).toFixed(0)} MiB at most`,
  );
  return verdict([
    [
      `goodput ${kept.toFixed(0)} tokens/s of ${peak.toFixed(0)} at best: ${share(kept / peak)} (≥ ${share(GOODPUT)})`,
      kept >= GOODPUT * peak,
    ],
    [
      `none failed (${[...new Set(failed.map(({ status }) => status))].join(', ') || 'none'})`,
      failed.length === 0,
    ],
    [
      `${rejected.length} refused, each with Retry-After`,
      rejected.length > 0 && rejected.every(({ retryAfter }) => retryAfter >= 1),
    ],
    [
      `of ${immediate} refused at once ${share(bucket(REJECTION_SECONDS) / immediate)} within 1 ms (p99 < 1 ms)`,
      immediate > 0 && bucket(REJECTION_SECONDS) >= 0.99 * immediate,
    ],
    [
      `memory grows by ${growthMiB.toFixed(1)} MiB from the first half to the second (≤ ${GROWTH_MIB} MiB)`,
      growthMiB <= GROWTH_MIB,
    ],
  ]);
}

const share = (value) => `${(100 * value).toFixed(2)} %`;
const delta = (before, after, key) => (after.get(key) ?? 0) - (before.get(key) ?? 0);
const bounds = (bucket, all) =>
  [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01]
    .map((le) => `${le * 1000} ms ${share(bucket(le) / all)}`)
    .join(', ');

/** Tokens a second of those that kept their deadlines. */
const goodput = (results, seconds, tokens) =>
  (results.filter(({ isGood }) => isGood).length * tokens) / seconds;

async function closedLoop(client, clients, seconds) {
  const endMs = performance.now() + seconds * 1000;
  const results = [];
  const one = async () => {
    while (performance.now() < endMs) results.push(await ask(client, endMs));
  };
  await Promise.all(Array.from({ length: clients }, one));
  return results;
}

async function openLoop(client, perSecond, seconds, random) {
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const running = [];
  let nextMs = startMs;
  while (nextMs < endMs) {
    const waitMs = nextMs - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    running.push(ask(client, endMs));
    nextMs += (-Math.log(1 - random()) * 1000) / perSecond;
  }
  return Promise.all(running);
}

/** Counts as good only what has ended by `endMs`: what is left then belongs to another time. */
function ask({ url, agent, tokens, interTokenMs }, endMs) {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const body = JSON.stringify({ prompt: 'how is the weather', max_tokens: tokens, stream: true });
    const request = http.request(`${url}/v1/completions`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    request.on('error', (error) => resolve({ status: error.code, isGood: false }));
    request.on('response', (response) => {
      const { statusCode: status, headers } = response;
      let firstMs = null;
      let tail = '';
      response.setEncoding('latin1');
      response.on('data', (text) => {
        firstMs ??= performance.now() - startMs;
        tail = (tail + text).slice(-32);
      });
      response.on('error', (error) => resolve({ status: error.code, isGood: false }));
      response.on('end', () => {
        const nowMs = performance.now();
        const isDone = status === 200 && tail.includes('[DONE]');
        const meanMs = (nowMs - startMs - firstMs) / (tokens - 1);
        const isGood = isDone && firstMs <= FIRST_TOKEN_MS && meanMs <= interTokenMs && nowMs <= endMs;
        resolve({
          status: status === 200 && !isDone ? 'cut off' : status,
          isGood,
          retryAfter: Number(headers['retry-after']),
        });
      });
    });
    request.end(body);
  });
}
