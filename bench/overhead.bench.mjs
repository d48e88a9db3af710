// CPU and memory of a process that does nothing but be healthy, over a process that does nothing at all.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime } from './lib/load.mjs';
import { root } from './lib/paths.mjs';
import { median } from './lib/stats.mjs';
import { launch, startSubject } from './lib/subjects.mjs';

export const question = 'What does the whole thing cost while nobody asks?';

const bare = (title, options) => ({ title, options });
const ours = (title, engine, options) => ({ title, engine, options });

const plans = {
  bare: bare('bare Node', {}),
  loaded: bare("+ require('inference-health')", { load: true }),
  worker: bare('bare Node + an empty worker', { worker: 'empty' }),
  'worker http': bare('bare Node + a worker with node:http', { worker: 'http' }),
  'http 1 Hz': ours('startHealth, node:http, 1 Hz', 'http', { sampleHz: 1 }),
  'uws 1 Hz': ours('startHealth, uWebSockets.js, 1 Hz', 'uws', { sampleHz: 1 }),
  'uws 10 Hz': ours('the same at 10 Hz', 'uws', { sampleHz: 10 }),
  'uws 100 Hz': ours('the same at 100 Hz', 'uws', { sampleHz: 100 }),
  'http 10 Hz': ours('startHealth, node:http, 10 Hz', 'http', { sampleHz: 10 }),
  'uws 10 Hz, agent': ours('uWebSockets.js, 10 Hz, after a first /metrics', 'uws', {
    sampleHz: 10,
    scrape: true,
  }),
  'http 10 Hz, agent': ours('node:http, 10 Hz, after a first /metrics', 'http', {
    sampleHz: 10,
    scrape: true,
  }),
};

export async function run(bench) {
  const names = Object.keys(plans).filter(
    (name) => plans[name].engine === undefined || bench.whyNot(plans[name].engine) === undefined,
  );
  const selected = bench.isSmoke
    ? names.filter((name) => ['bare', 'uws 10 Hz', 'http 10 Hz', 'uws 10 Hz, agent'].includes(name))
    : names;
  // All at once: each of them is idle, and one after the other would take half an hour.
  const rounds = [];
  for (let round = 0; round < bench.pick(3, 1); round++) {
    rounds.push(await Promise.all(selected.map((name) => observe(bench, plans[name]))));
  }
  const results = new Map(selected.map((name, index) => [name, rounds.map((round) => round[index])]));

  const middle = (name, key) => median(results.get(name).map((each) => each[key]));
  const over = (name, key) => middle(name, key) - middle('bare', key);
  const measures = {};
  for (const [name, { engine }] of Object.entries(plans)) {
    if (engine === undefined) continue;
    const skipped = bench.whyNot(engine);
    if (skipped === undefined && !results.has(name)) continue;
    measures[`${name}, CPU % of a core`] = skipped === undefined ? over(name, 'cpuPercent') : { skipped };
    measures[`${name}, anonymous MiB`] = skipped === undefined ? over(name, 'anonymousMiB') : { skipped };
  }
  const table = {
    columns: ['', 'CPU of one core', 'over bare', 'anonymous memory', 'over bare', 'RSS', 'threads'],
    rows: selected.map((name) => [
      plans[name].title,
      `${middle(name, 'cpuPercent').toFixed(3)} %`,
      `${over(name, 'cpuPercent').toFixed(3)} %`,
      `${middle(name, 'anonymousMiB').toFixed(1)} MiB`,
      `${over(name, 'anonymousMiB').toFixed(1)} MiB`,
      `${middle(name, 'rssMiB').toFixed(1)} MiB`,
      String(middle(name, 'threads')),
    ]),
  };
  const notes = [
    'Anonymous memory is what /proc/<pid>/smaps_rollup calls `Anonymous`: what no other process shares and no file backs.',
  ];
  return { tables: [table], measures, notes };
}

async function observe(bench, { engine, options }) {
  const { scrape, ...rest } = options;
  const subject =
    engine === undefined
      ? await launch('bare', '/', [
          process.execPath,
          join(root, 'bench', 'subjects', 'bare.cjs'),
          JSON.stringify({ busy: 0, ...rest }),
        ])
      : await startSubject(engine, rest);
  try {
    if (scrape) {
      const response = await fetch(`http://127.0.0.1:${subject.port}/metrics`);
      if (!response.ok) throw new Error(`/metrics answers ${response.status}`);
      await response.text();
    }
    // Start-up work is over by then: compilation, and the garbage collection some ten seconds later.
    await sleep(bench.pick(20_000, 700));
    const { cpuMs, seconds } = await cpuTime(subject.pid, bench.pick(20, 1));
    return { cpuPercent: cpuMs / seconds / 10, ...memory(subject.pid) };
  } finally {
    await subject.stop();
  }
}

function memory(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]);
  const threads = Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { anonymousMiB: kib('Anonymous') / 1024, rssMiB: kib('Rss') / 1024, threads };
}
