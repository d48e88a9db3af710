// Liveness under a CPU quota, with a main thread that uses up the quota: what no probe thread can escape.
import { makeCpuCgroup, removeStaleCgroups } from './lib/cgroup.mjs';
import { openLoop } from './lib/load.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';

export const question = 'And when a CPU quota throttles the process?';

const NAMES = ['epoll', 'uws', 'http', 'node-http-worker'];
/** The smoke run asks for less, so that a machine with other work answers each. */
const rateOf = (bench) => bench.pick(1000, 100);

export async function run(bench) {
  removeStaleCgroups();
  const trial = makeCpuCgroup(1);
  if (trial.failure !== undefined) return { skipped: trial.failure };
  await trial.remove();

  const tables = [];
  const measures = {};
  const failures = [];
  for (const cores of bench.isSmoke ? [0.5] : [0.5, 1]) {
    const results = await interleave(bench.runnable(NAMES), { rounds: bench.pick(5, 1) }, (name) =>
      probe(bench, name, cores),
    );
    const reference = results.get('epoll');
    const ratio = (rounds, key) =>
      medianRatio(
        rounds.map((each) => each.latencyUs[key]),
        reference.map((each) => each.latencyUs[key]),
      );
    for (const name of ['uws', 'http']) {
      const skipped = bench.whyNot(name);
      measures[`${name} p99 ÷ epoll, ${cores} cores`] =
        skipped === undefined ? ratio(results.get(name), 'p99') : { skipped };
      const errors =
        skipped === undefined ? results.get(name).reduce((sum, each) => sum + each.errors, 0) : 0;
      if (errors > 0) failures.push(`${name} with ${cores} cores: ${errors} probes were not answered`);
    }
    tables.push({
      title: `Quota of ${cores} cores, main thread blocked 100 %, ${rateOf(bench).toLocaleString('en')} probes/s`,
      columns: ['', 'p50', 'p99', 'p99.9', 'max', 'unanswered', 'throttled', 'p50 ÷ epoll', 'p99 ÷ epoll'],
      rows: [...results].map(([name, rounds]) => [
        bench.title(name),
        ...['p50', 'p99', 'p999'].map((key) => formatUs(median(rounds.map((each) => each.latencyUs[key])))),
        formatUs(Math.max(...rounds.map((each) => each.latencyUs.max))),
        String(rounds.reduce((sum, each) => sum + each.errors, 0)),
        `${median(rounds.map((each) => each.throttled))} periods`,
        formatRatio(ratio(rounds, 'p50')),
        formatRatio(ratio(rounds, 'p99')),
      ]),
    });
  }
  const notes = [
    'The quota of a period of 100 ms is spent by the blocked main thread; until the next one nothing of the process runs, the ' +
      'probe thread included. `cpu.throttled` in the status tells when that happens.',
  ];
  return { tables, measures, failures, notes };
}

async function probe(bench, name, cores) {
  const cgroup = makeCpuCgroup(cores);
  if (cgroup.failure !== undefined) throw new Error(cgroup.failure);
  try {
    return await bench.withSubject(name, { busy: 100, cgroup: cgroup.procs }, async (subject) => {
      await openLoop(subject, { rate: rateOf(bench), seconds: bench.pick(1, 0.3) });
      const before = cgroup.throttled();
      const result = await openLoop(subject, { rate: rateOf(bench), seconds: bench.pick(4, 0.6) });
      return { ...result, throttled: cgroup.throttled() - before };
    });
  } finally {
    await cgroup.remove();
  }
}
