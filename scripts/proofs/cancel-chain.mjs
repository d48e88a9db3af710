// A client leaves a stream that comes from frontend, worker and second worker, a process each: how long until the engine of the
// second one has been told to stop, which tells it over IPC, so that its way is counted too.
//
//   npm run proof -- cancel-chain [--requests 300] [--clients 4]
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from '../lib/parse-args.mjs';

const CLI = fileURLToPath(new URL('../../dist/cjs/cli/main.js', import.meta.url));
const CHAIN = fileURLToPath(new URL('../../test/cancel/chain-worker.mjs', import.meta.url));
const TOY = fileURLToPath(new URL('../../test/frontend/toy-worker.mjs', import.meta.url));
const LIMIT_MS = 50;
const TOKEN_MS = '10';

/** @returns {Promise<boolean>} whether the 99th percentile is below 50 ms */
export async function prove(args) {
  const options = {
    requests: { type: 'string', default: '300' },
    clients: { type: 'string', default: '4' },
  };
  const { values } = parseArgs({ args, options });
  const started = [];
  try {
    const second = await startWorker(started, TOY, ['second', '0', TOKEN_MS]);
    const worker = await startWorker(started, CHAIN, [second.url]);
    const url = await startFrontend(started, worker.url);
    return report(await run(url, second.child, Number(values.requests), Number(values.clients)));
  } finally {
    for (const child of started) child.kill('SIGKILL');
  }
}

async function startWorker(started, script, args) {
  const child = fork(script, args, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  started.push(child);
  const [{ url }] = await once(child, 'message');
  return { child, url };
}

async function startFrontend(started, workerUrl) {
  const args = [CLI, 'frontend', '--workers', workerUrl, '--http-port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    const url = /"url":"([^"]+)"/.exec(output)?.[1];
    if (url === undefined) continue;
    child.stdout.destroy();
    while (!(await (await fetch(`${url}/v1/models`)).text()).includes('toy')) await sleep(20);
    return url;
  }
  throw new Error('the frontend did not start');
}

/** @returns milliseconds from each leave to the engine's word; `missing`: without one */
async function run(url, second, requests, clients) {
  const waiting = new Map();
  const times = [];
  second.on('message', ({ cancelled }) => {
    const leftMs = waiting.get(cancelled);
    if (leftMs === undefined) return;
    waiting.delete(cancelled);
    times.push(performance.now() - leftMs);
  });
  let begun = 0;
  const one = async () => {
    while (begun < requests) {
      begun += 1;
      const prompt = `request ${begun}`;
      const client = new AbortController();
      const response = await fetch(`${url}/v1/completions`, {
        method: 'POST',
        signal: client.signal,
        body: JSON.stringify({ prompt, max_tokens: 5000, stream: true }),
      });
      const reader = response.body.getReader();
      for (let events = 0; events < 3; events += 1) await reader.read();
      waiting.set(prompt, performance.now());
      client.abort();
      await reader.closed.catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
  for (let waits = 0; waits < 100 && waiting.size > 0; waits += 1) await sleep(50);
  return { times, missing: waiting.size };
}

function report({ times, missing }) {
  const sorted = times.sort((a, b) => a - b);
  const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.POSITIVE_INFINITY;
  const holds = missing === 0 && at(0.99) < LIMIT_MS;
  console.log(
    `${holds ? 'holds' : 'FAILS'}  client gone to the second worker's engine: p50 ${at(0.5).toFixed(1)}, p99 ${at(0.99).toFixed(1)}, max ${at(1).toFixed(1)} ms of ${sorted.length}, never ${missing} (p99 < ${LIMIT_MS} ms)`,
  );
  return holds;
}
