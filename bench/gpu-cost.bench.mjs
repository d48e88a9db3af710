// CPU of watching eight GPUs at the default tiers, without what the driver's library itself uses.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFakeGpu } from '../scripts/lib/fake-gpu/fake-gpu.mjs';
import { median } from './lib/stats.mjs';
import { startSubject } from './lib/subjects.mjs';

export const question = 'What does watching eight GPUs cost?';

const GPUS = 8;
const ENGINES = ['uws', 'http'];
const NATIVE = /^health-gpu/;

export async function run(bench) {
  const engines = ENGINES.filter((engine) => bench.whyNot(engine) === undefined);
  const rounds = [];
  for (let round = 0; round < bench.pick(3, 1); round++) {
    // All at once: each of them is idle.
    const pairs = engines.flatMap((engine) => [observe(bench, engine, 0), observe(bench, engine, GPUS)]);
    rounds.push(await Promise.all(pairs));
  }
  const of = (engine, gpus, key) =>
    rounds.map((round) => round.find((each) => each.engine === engine && each.gpus === gpus)[key]);
  const over = (engine, key) => {
    const without = of(engine, 0, key);
    return median(of(engine, GPUS, key).map((value, index) => value - without[index]));
  };

  const measures = {};
  const rows = [];
  const percent = (value) => `${value.toFixed(3)} %`;
  for (const engine of ENGINES) {
    const skipped = bench.whyNot(engine);
    const key = `${engine}, CPU % of a core beyond the library`;
    if (skipped !== undefined) {
      measures[key] = { skipped };
      continue;
    }
    const library = median(of(engine, GPUS, 'library'));
    const threads = over(engine, 'native') - library;
    const rest = over(engine, 'other');
    measures[key] = threads + rest;
    rows.push([bench.title(engine), ...[library, threads, rest, threads + rest].map(percent)]);
  }
  const table = {
    columns: [
      '',
      'in the library',
      'GPU threads beyond it',
      'probe thread and the rest',
      'beyond the library',
    ],
    rows,
  };
  const notes = [
    'Percent of one core, over the same server with `gpu.mode: off`. The fake driver counts the CPU time of its calls itself; its ' +
      'cost says nothing about that of a real one.',
  ];
  return { tables: [table], measures, notes };
}

async function observe(bench, engine, gpus) {
  const fake = gpus > 0 ? createFakeGpu({ gpus }) : null;
  const gpu = fake === null ? { mode: 'off' } : { library: fake.library, kmsg: fake.kmsg.path };
  const subject = await startSubject(engine, { gpu });
  try {
    // Start-up work is over by then, and the compilation of what runs once a second.
    await sleep(bench.pick(60_000, 1500));
    const read = () => ({ ...cpuNs(subject.pid), library: fake?.header('cpuNs') ?? 0 });
    const startNs = process.hrtime.bigint();
    const before = read();
    await sleep(bench.pick(60_000, 2000));
    const after = read();
    const percent = 100 / Number(process.hrtime.bigint() - startNs);
    const used = (key) => (after[key] - before[key]) * percent;
    return { engine, gpus, native: used('native'), other: used('other'), library: used('library') };
  } finally {
    await subject.stop();
    fake?.destroy();
  }
}

/** CPU time of the GPU threads and of all others, in nanoseconds as the scheduler counts them. */
function cpuNs(pid) {
  const used = { native: 0, other: 0 };
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const of = (file) => readFileSync(`/proc/${pid}/task/${task}/${file}`, 'utf8');
    try {
      used[NATIVE.test(of('comm')) ? 'native' : 'other'] += Number(of('schedstat').split(' ')[0]);
    } catch {
      // It ended meanwhile.
    }
  }
  return used;
}
