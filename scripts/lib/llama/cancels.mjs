// Prints, for so many requests in flight that are all cancelled in one turn, when the engine stopped each.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHealth } from 'inference-health';
import { startEngine } from '../../../examples/llama/engine-client.mjs';
import { tinyGguf } from '../../../examples/llama/tiny-gguf.mjs';
import { sleep } from './server.mjs';

const [requests, rounds] = process.argv.slice(2).map(Number);
// Listener leaks and anything else that Node wonders about.
let warnings = 0;
process.on('warning', () => {
  warnings += 1;
});

const folder = mkdtempSync(join(tmpdir(), 'inference-health-cancels-'));
const path = join(folder, 'tiny.gguf');
writeFileSync(path, tinyGguf());
const health = await startHealth({ port: 0, host: '127.0.0.1' });
const engine = startEngine({ path });
await engine.ready;
rmSync(folder, { recursive: true });
const endpoint = health
  .endpoint('generate')
  .serve((request, scope) => engine.generate(request, scope.stopSignal));

/** Monotonic, the clock of the engine's `end` messages. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const waits = [];
/** From the first cancel to the last end. */
const allMs = [];
const heapMb = [];
for (let round = 0; round < rounds; round += 1) {
  const ended = new Map();
  const onEnd = ({ id, atMs }) => ended.set(id, atMs);
  engine.events.on('ended', onEnd);
  const clients = Array.from({ length: requests }, () => new AbortController());
  const calls = clients.map(async ({ signal }, index) => {
    try {
      const prompt = `it was a bright cold day ${index}`;
      for await (const _frame of endpoint.call({ prompt, maxTokens: 900 }, { signal }));
      return 'complete';
    } catch (error) {
      return error.code;
    }
  });
  for (;;) {
    const { running, waiting } = await engine.health();
    if (running + waiting === requests) break;
    await sleep(5);
  }
  await sleep(100);
  const cancelledAtMs = clients.map((client) => {
    const atMs = nowMs();
    client.abort();
    return atMs;
  });
  const outcomes = new Set(await Promise.all(calls));
  if (outcomes.size !== 1 || !outcomes.has('ERR_CANCELLED')) throw new Error([...outcomes].join(', '));
  while (ended.size < requests) await sleep(1);
  // The engine numbers requests in the order in which they came.
  const endedAtMs = [...ended].sort(([a], [b]) => a - b).map(([, atMs]) => atMs);
  waits.push(...endedAtMs.map((atMs, index) => atMs - cancelledAtMs[index]));
  allMs.push(Math.max(...endedAtMs) - cancelledAtMs[0]);
  engine.events.off('ended', onEnd);
  globalThis.gc?.();
  heapMb.push(process.memoryUsage().heapUsed / 2 ** 20);
}

const { port } = health.listeners[0];
const { metrics } = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
const { running, waiting } = await engine.health();
waits.sort((a, b) => a - b);
const at = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
console.log(
  JSON.stringify({
    requests: waits.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: waits.at(-1),
    active: metrics.active_requests,
    running,
    waiting,
    nodeWarnings: warnings,
    heapMb,
    allMs,
  }),
);
await engine.close();
await health.close();
