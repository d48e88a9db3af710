// One full sample of host, container and process in C++.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build, tool } from './lib/native.mjs';
import { root } from './lib/paths.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';
import { launch } from './lib/subjects.mjs';

export const question = 'What does one sample of the host cost?';

const titles = {
  native: 'inference-health, C++ sampler thread',
  'read of the last sample': 'inference-health, reading the last sample from JavaScript',
  'os and process': 'the calls of `os` and `process` (no container, no pressure)',
  systeminformation: 'systeminformation: `currentLoad` and `mem` only',
};

const plans = {
  'read of the last sample': { rounds: 300, batch: 1000 },
  'os and process': { rounds: 2000 },
  systeminformation: { rounds: 15, pauseMs: 220 },
};

const execute = promisify(execFile);

export async function run(bench) {
  const failure = buildSample();
  if (failure !== null) throw new Error(failure);
  const missing = bench.whyNot('terminus');
  const names = Object.keys(titles).filter((name) => name !== 'systeminformation' || missing === undefined);
  const results = await interleave(names, { rounds: bench.pick(5, 1) }, (name) =>
    name === 'native' ? sampleInCpp(bench) : sampleInNode(name, bench),
  );

  const us = (name) => results.get(name).map((each) => each.us);
  const of = (key) => results.get('native').map((each) => each[key]);
  const measures = {
    'C++ sample ÷ bare system calls': medianRatio(us('native'), of('bareUs')),
    'C++ sample ÷ bare system calls, 10 a second': medianRatio(of('coldUs'), of('coldBareUs')),
    'os and process ÷ C++ sample': medianRatio(us('os and process'), us('native')),
    'reading the last sample µs': median(us('read of the last sample')),
    'systeminformation ÷ C++ sample':
      missing === undefined ? medianRatio(us('systeminformation'), us('native')) : { skipped: missing },
  };
  const bare = of('bareUs');
  const row = (title, values, cold) => [
    title,
    formatUs(median(values)),
    formatRatio(medianRatio(values, bare)),
    cold === undefined ? '–' : formatUs(median(cold)),
  ];
  const table = {
    columns: ['', 'in a loop', '÷ bare system calls', 'after 50 ms of sleep'],
    rows: [
      row(
        `the bare system calls (${results.get('native')[0].calls} calls on kept descriptors)`,
        bare,
        of('coldBareUs'),
      ),
      ...names.map((name) => row(titles[name], us(name), name === 'native' ? of('coldUs') : undefined)),
    ],
  };
  return { tables: [table], measures };
}

async function sampleInCpp(bench) {
  const measure = async (rounds, pauseMs) => {
    const args = ['--rounds', String(rounds), '--pause-ms', String(pauseMs)];
    return JSON.parse((await execute(tool('host_sample'), args)).stdout);
  };
  const hot = await measure(bench.pick(20_000, 3000), 0);
  const cold = await measure(bench.pick(30, 10), 50);
  return {
    us: hot.sampleUs,
    bareUs: hot.bareUs,
    calls: hot.calls,
    coldUs: cold.sampleUs,
    coldBareUs: cold.bareUs,
  };
}

async function sampleInNode(kind, bench) {
  const plan = plans[kind];
  const options = { kind, ...plan, rounds: bench.pick(plan.rounds, Math.ceil(plan.rounds / 5)) };
  const script = join(root, 'bench', 'subjects', 'host-sample.cjs');
  const subject = await launch(kind, '', [process.execPath, script, JSON.stringify(options)]);
  await subject.stop();
  return subject;
}

/** The sampler's own sources, as the addon lists them, without the boundary to Node and the thread. */
function buildSample() {
  const list = join(root, 'native', 'sources.txt');
  if (!existsSync(list)) return 'native/sources.txt is missing';
  const sources = readFileSync(list, 'utf8')
    .split(/\s+/)
    .filter((source) => source.startsWith('native/host/') && !source.endsWith('/sampler.cc'))
    .map((source) => join(root, source));
  return build(
    'host_sample',
    ['host_sample.cc'],
    [`-I${join(root, 'native')}`, '-Wl,--wrap=pread,--wrap=fstat', ...sources],
  );
}
