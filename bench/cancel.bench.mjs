// A thousand streams at once, all cancelled in one moment: by their clients hanging up, and by cancel(id).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './lib/paths.mjs';
import { formatRatio, median, medianRatio } from './lib/stats.mjs';

export const question = 'How soon does the engine stop when a thousand requests are cancelled at once?';

const titles = { 'inference-health': 'endpoint.serve()', bare: 'an AbortController a request' };
const ways = { disconnect: 'clients hang up', cancel: 'cancel(id) on the server' };
const now = () => Number(process.hrtime.bigint());

export async function run(bench) {
  const count = bench.pick(1000, 100);
  const rounds = bench.pick(5, 1);
  const results = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of Object.keys(titles)) {
      const waves = await observe(subject, count);
      for (const way of Object.keys(ways)) {
        const key = `${subject} ${way}`;
        results[key] = [...(results[key] ?? []), waves[way]];
      }
    }
  }
  const p99 = (subject, way) => results[`${subject} ${way}`].map((each) => each.p99);
  const clientP99 = (subject, way) => results[`${subject} ${way}`].map((each) => each.clientP99);
  const ratio = (way) => medianRatio(clientP99('inference-health', way), clientP99('bare', way));
  const measures = {};
  for (const way of Object.keys(ways)) {
    measures[`${way}, p99 ms`] = median(p99('inference-health', way));
    measures[`${way}, p99 ÷ bare, as the client sees it`] = ratio(way);
  }
  const all = Object.values(results).flat();
  measures['requests left in flight'] = Math.max(...all.map(({ inFlight }) => inFlight));
  measures['listeners left'] = Math.max(...all.map(({ listeners }) => listeners));
  const tables = Object.entries(ways).map(([way, title]) => ({
    title: `${count} streams, ${title}`,
    columns: ['', 'p50', 'p99', 'longest', 'p99 for the client', '÷ bare'],
    rows: Object.keys(titles).map((subject) => {
      const waves = results[`${subject} ${way}`];
      const middle = (key) => `${median(waves.map((each) => each[key])).toFixed(1)} ms`;
      return [
        titles[subject],
        middle('p50'),
        middle('p99'),
        middle('max'),
        middle('clientP99'),
        subject === 'bare' ? '–' : formatRatio(ratio(way)),
      ];
    }),
  }));
  const notes = [
    'From the `close` event of the response, or from `cancel(id)`, to the end of the handler, `finally` included; for the client, from the call that closes its socket, a thousand of which take the most of that time. The engine gives each stream ten tokens a second meanwhile. Medians of the rounds.',
  ];
  return { tables, measures, notes };
}

async function observe(subject, count) {
  const child = spawn(
    process.execPath,
    [join(root, 'bench', 'subjects', 'cancel.cjs'), JSON.stringify({ subject })],
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: root },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => JSON.parse((await lines.next()).value);
  try {
    const { port } = await line();
    await wave(port, 10, ({ sockets }) => destroyAll(sockets), line);
    const disconnect = await wave(port, count, ({ sockets }) => destroyAll(sockets), line);
    const cancel = await wave(port, count, () => void child.stdin.write('cancel\n'), line);
    return { disconnect, cancel };
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** When each was closed here. */
function destroyAll(sockets) {
  const hungUp = {};
  for (const [id, socket] of sockets) {
    hungUp[id] = now();
    socket.destroy();
  }
  return hungUp;
}

async function wave(port, count, end, line) {
  const sockets = new Map();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`GET /${index} HTTP/1.1\r\nHost: bench\r\n\r\n`);
      await once(socket, 'data');
      socket.resume();
      sockets.set(String(index), socket);
    }),
  );
  // All have their first token; a few steps of the engine go by.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const hungUp = end({ sockets });
  const report = await line();
  for (const socket of sockets.values()) socket.destroy();
  const since = (from) =>
    Object.entries(report.ended)
      .map(([id, ns]) => (ns - from[id]) / 1e6)
      .sort((a, b) => a - b);
  const ms = since(report.called);
  if (count > 10 && ms.length !== count) throw new Error(`${ms.length} of ${count} handlers ended`);
  const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    p50: at(ms, 0.5),
    p99: at(ms, 0.99),
    clientP99: typeof hungUp === 'object' ? at(since(hungUp), 0.99) : at(ms, 0.99),
    max: ms.at(-1),
    inFlight: report.inFlight,
    listeners: report.listeners,
  };
}
