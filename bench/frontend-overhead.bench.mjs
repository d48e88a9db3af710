// Streams of tokens read directly from a worker, and through proxies: what each adds to a token's way, and what CPU a token costs it.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime } from './lib/load.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';
import {
  startClients,
  startFrontend,
  startNginx,
  startPassThrough,
  startWorker,
  whyNoNginx,
} from './lib/streaming.mjs';

export const question = 'What does a frontend cost between worker and client, a stream and a token?';

const titles = {
  direct: 'no proxy',
  nginx: 'nginx',
  'pass-through': 'undici to node:http, bytes as they come',
  frontend: 'inference-health frontend',
};
const start = {
  direct: async (worker) => ({ port: worker.port, pid: null, stop: async () => undefined }),
  nginx: ({ port }) => startNginx(port),
  'pass-through': ({ port }) => startPassThrough(port),
  frontend: ({ port }) => startFrontend([port]),
};
/** 40 tokens a second and stream, as a large model decodes. */
const EVERY_MS = 25;
/** A stream of its own length a request where nothing is paced, so that what a request costs is in it. */
const FREE_TOKENS = 256;
const FOR_EVER = 1_000_000;
const COUNTS = [64, 512];

const LOADS = COUNTS.flatMap((streams) => [
  {
    key: `${streams} paced`,
    streams,
    everyMs: EVERY_MS,
    title: `${streams} streams of ${1000 / EVERY_MS} tokens/s`,
  },
  { key: `${streams} free`, streams, everyMs: 0, title: `${streams} streams as fast as they are read` },
]);

export async function run(bench) {
  const missing = whyNoNginx();
  const loads = LOADS.filter(({ streams, everyMs }) => !bench.isSmoke || streams === 64 || everyMs > 0);
  const names = Object.keys(titles).filter((name) => name !== 'nginx' || missing === null);
  const plan = {
    ...{ seconds: bench.pick(4, 0.4), warmUpMs: bench.pick(2500, 500), settleMs: bench.pick(1000, 100) },
    ...{ probeMs: bench.pick(2000, 200), loads },
  };
  const results = await interleave(names, { rounds: bench.pick(5, 1) }, (name) => observe(name, plan));
  const series = (name, load, key) => results.get(name).map((each) => each[load][key]);
  const middle = (name, load, key) => median(series(name, load, key));

  const measures = {};
  for (const { key } of loads) {
    const ours = series('frontend', key, 'cpuUs');
    measures[`CPU a token ÷ pass-through, ${key}`] = medianRatio(ours, series('pass-through', key, 'cpuUs'));
    measures[`CPU a token ÷ nginx, ${key}`] =
      missing === null ? medianRatio(ours, series('nginx', key, 'cpuUs')) : { skipped: missing };
  }
  const tables = loads.map((load) => table(load, names, middle));
  const notes = [
    `The same tokens from one worker process, read as OpenAI's events by clients in another; nginx and the pass-through move those events, the frontend makes them of frames, with log, stop strings, health and metrics. CPU is that of the proxy's process, all threads. A token's way is from its write in the worker to its arrival at the client; the first token's from the request, of ${FREE_TOKENS} tokens where nothing is paced, of one token beside the streams where they are. "Added" is over no proxy. Streams a core: ${1000 / EVERY_MS} tokens/s each, by the CPU a token. Medians of the rounds.`,
    ...(missing === null ? [] : [`nginx is not measured: ${missing}.`]),
  ];
  return { tables, measures, notes };
}

function table({ key, title, everyMs }, names, middle) {
  const added = (name, what) => {
    if (name === 'direct') return '–';
    const us = middle(name, key, what) - middle('direct', key, what);
    return us > 0 ? formatUs(us) : '0';
  };
  return {
    title,
    columns: [
      ...['', 'CPU a token', '÷ pass-through', 'tokens/s a core', 'streams a core'],
      ...['token p50', 'added', 'p99', 'added', 'first p50', 'added', 'p99', 'added'],
    ],
    rows: names.map((name) => {
      const cpuUs = middle(name, key, 'cpuUs');
      const way = ['tokenP50', 'tokenP99', 'firstP50', 'firstP99'].flatMap((what) => [
        formatUs(middle(name, key, what)),
        added(name, what),
      ]);
      if (name === 'direct') return [titles[name], '–', '–', '–', '–', ...way];
      return [
        titles[name],
        formatUs(cpuUs),
        formatRatio(cpuUs / middle('pass-through', key, 'cpuUs')),
        Math.round(1e6 / cpuUs).toString(),
        everyMs === 0 ? '–' : Math.round((1e3 * everyMs) / cpuUs).toString(),
        ...way,
      ];
    }),
  };
}

/** Of requests that come beside the streams, one after the other; after the CPU time was taken, of which they would have a part. */
async function firstTokens(clients, port, probeMs) {
  await clients.probe({ port });
  await sleep(probeMs);
  return (await clients.mark()).first;
}

async function observe(name, { seconds, warmUpMs, settleMs, probeMs, loads }) {
  const worker = await startWorker();
  const proxy = await start[name](worker);
  const clients = await startClients();
  try {
    // Until everything is compiled.
    await clients.open({ port: proxy.port, streams: 64, everyMs: 0, maxTokens: FREE_TOKENS });
    await sleep(warmUpMs);
    await clients.close();
    const measured = {};
    for (const { key, streams, everyMs } of loads) {
      const maxTokens = everyMs === 0 ? FREE_TOKENS : FOR_EVER;
      await clients.open({ port: proxy.port, streams, everyMs, maxTokens });
      await sleep(settleMs);
      await clients.mark();
      const cpu = await cpuTime(proxy.pid ?? worker.pid, seconds);
      const { tokens, late, ...free } = await clients.mark();
      if (tokens === 0) throw new Error(`no tokens came, ${key}`);
      const first = everyMs === 0 ? free.first : await firstTokens(clients, proxy.port, probeMs);
      measured[key] = {
        cpuUs: (cpu.cpuMs * 1000) / tokens,
        tokensPerSecond: tokens / cpu.seconds,
        ...{ tokenP50: late.p50, tokenP99: late.p99, firstP50: first.p50, firstP99: first.p99 },
      };
      await clients.close();
      await sleep(settleMs / 2);
    }
    return measured;
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  } finally {
    await clients.stop();
    await proxy.stop();
    await worker.stop();
  }
}
