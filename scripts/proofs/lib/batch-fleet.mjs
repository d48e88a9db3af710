// Workers that decode in batches and a frontend, each a process, and what can be read off them from outside.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

async function start(file, args) {
  const child = fork(script(file), args, {
    ...{ execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    env: { ...process.env, DYN_SYSTEM_PORT: '' },
  });
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)));
  ended.catch(() => undefined);
  const [{ url }] = await Promise.race([once(child, 'message'), ended]);
  return { child, url };
}

/** Runs `use` with them; all end with it. */
export async function withBatchFleet({ workers, stepMs, slots, frontend = {} }, use) {
  const started = [];
  try {
    for (let i = 0; i < workers; i += 1)
      started.push(await start('batch-worker.mjs', [`worker-${i}`, JSON.stringify({ stepMs, slots })]));
    const urls = started.map(({ url }) => url);
    const front = await start('frontend-process.mjs', [JSON.stringify({ ...frontend, workers: urls })]);
    started.push(front);
    const fleet = { workers: started.slice(0, -1), frontend: front };
    await until(async () => (await instances(front.url)) === workers, 'all workers are found');
    return await use(fleet);
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
  }
}

const instances = async (url) => (await (await fetch(`${url}/health`)).json()).instances.length;

export async function until(condition, what, limitMs = 20_000) {
  for (const endMs = performance.now() + limitMs; !(await condition()); await sleep(50))
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
}

/** Values of a Prometheus text, by `name{labels}` as it is written. */
export async function metrics(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** What a worker says of its engine now. */
export async function beacon(url) {
  const aborted = new AbortController();
  const response = await fetch(`${url}/v1/beacons`, { signal: aborted.signal });
  const { value } = await response.body.getReader().read();
  aborted.abort();
  return JSON.parse(Buffer.from(value).toString().split('\n')[0]);
}

/** What a process holds after a full collection, and what it has of the machine. */
export function memoryOf({ child }) {
  return new Promise((resolve) => {
    const onMessage = ({ memory }) => {
      if (memory === undefined) return;
      child.off('message', onMessage);
      resolve(memory);
    };
    child.on('message', onMessage);
    child.send('memory');
  });
}

export const rssMiB = ({ child }) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024;

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Prints each with whether it holds; whether all do. */
export function verdict(rows) {
  for (const [text, holds] of rows) console.log(`${holds ? 'holds' : 'FAILS'}  ${text}`);
  return rows.every(([, holds]) => holds);
}
