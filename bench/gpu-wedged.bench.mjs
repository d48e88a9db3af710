// Probes while every driver call hangs, against the same server while the driver answers.
import { setTimeout as sleep } from 'node:timers/promises';
import { createFakeGpu } from '../scripts/lib/fake-gpu/fake-gpu.mjs';
import { openLoop } from './lib/load.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';

export const question = 'What do probes notice of a GPU driver that hangs?';

const GPUS = 8;
const RATE = 1000;
const ENGINES = ['uws', 'http'];
/** A stuck call counts as one after 5 s; the fast tier asks once a second. */
const NOTICED_MS = 6500;

export async function run(bench) {
  const measures = {};
  const rows = [];
  const failures = [];
  for (const engine of ENGINES) {
    const skipped = bench.whyNot(engine);
    const set = (key, value) => {
      measures[`${engine} ${key}`] = skipped === undefined ? value() : { skipped };
    };
    const rounds = skipped === undefined ? await probe(bench, engine) : [];
    const of = (state, quantile) => rounds.map((round) => round[state].latencyUs[quantile]);
    const ratio = (quantile) => medianRatio(of('wedged', quantile), of('answering', quantile));
    set('p50, wedged ÷ answering', () => ratio('p50'));
    set('p99, wedged ÷ answering', () => ratio('p99'));
    for (const state of skipped === undefined ? ['answering', 'wedged'] : []) {
      const errors = rounds.reduce((sum, round) => sum + round[state].errors, 0);
      if (errors > 0) failures.push(`${engine}, driver ${state}: ${errors} probes were not answered`);
      rows.push([
        `${engine}, driver ${state}`,
        ...['p50', 'p99', 'p999'].map((quantile) => formatUs(median(of(state, quantile)))),
        formatUs(Math.max(...of(state, 'max'))),
        state === 'wedged' ? formatRatio(ratio('p99')) : '–',
      ]);
    }
  }
  const table = {
    title: `${RATE.toLocaleString('en')} probes/s of /livez, ${GPUS} GPUs`,
    columns: ['', 'p50', 'p99', 'p99.9', 'max', 'p99 ÷ answering'],
    rows,
  };
  const notes = [
    'In turn in one process: the driver answers, then every call of it hangs and the finding is there.',
  ];
  return { tables: [table], measures, failures, notes };
}

async function probe(bench, engine) {
  const fake = createFakeGpu({ gpus: GPUS });
  try {
    const gpu = { library: fake.library, kmsg: fake.kmsg.path };
    return await bench.withSubject(engine, { gpu }, async (subject) => {
      const measure = (seconds) => openLoop(subject, { path: '/livez', rate: RATE, seconds });
      await untilGpuIs(subject.port, 'healthy');
      await measure(bench.pick(2, 0.5));
      const rounds = [];
      for (let round = 0; round < bench.pick(7, 1); round++) {
        const answering = await measure(bench.pick(3, 1));
        fake.block();
        await sleep(NOTICED_MS);
        await untilGpuIs(subject.port, 'unhealthy');
        const wedged = await measure(bench.pick(3, 1));
        fake.release();
        await untilGpuIs(subject.port, 'healthy');
        rounds.push({ answering, wedged });
      }
      return rounds;
    });
  } finally {
    fake.destroy();
  }
}

async function untilGpuIs(port, status) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    const { components } = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
    if (components.gpu?.status === status) return;
  }
  throw new Error(`the GPUs were not ${status} within 20 s`);
}
