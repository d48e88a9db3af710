// A fresh connection for every probe, as a kubelet opens them, at a constant rate, while the main thread is blocked.
import { openLoop } from './lib/load.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';

export const question = 'How long does a liveness probe take while the main thread is blocked?';

const OURS = ['uws', 'http'];
const OTHERS = ['node-http-worker', 'node-http', 'terminus', 'under-pressure', 'lightship'];
const ON_MAIN = new Set(['node-http', 'terminus', 'under-pressure', 'lightship']);

// Slower than this, the bare responder is itself waiting for a core: the machine cannot carry the rate, and a ratio
// would compare two queues.
const SATURATED_P99_US = 20_000;

export async function run(bench) {
  const cells = bench.isSmoke
    ? [{ busy: 100, rate: 1000 }]
    : [100, 50, 0].flatMap((busy) => [1000, 10_000].map((rate) => ({ busy, rate })));
  const tables = [];
  const measures = {};
  const failures = [];
  const notes = [];
  for (const cell of cells) {
    const results = await measureCell(bench, cell);
    tables.push(tableOf(bench, cell, results));
    Object.assign(measures, measuresOf(bench, cell, results));
    for (const name of bench.runnable(OURS)) {
      const errors = results.get(name).reduce((sum, each) => sum + each.errors, 0);
      if (errors > 0 && !isSaturated(results))
        failures.push(`${name}, ${label(cell)}: ${errors} probes were not answered`);
    }
  }
  const isRealtime = tables.every((table) => table.isRealtime);
  notes.push(
    `A latency counts from the moment at which the probe was due, up to the last byte of the answer. The load generator ran ` +
      `${isRealtime ? 'at real-time priority' : 'at normal priority (it may not take a real-time one here), so its own waiting for a core is in the figures'}.`,
  );
  return { tables, measures, failures, notes };
}

function measureCell(bench, { busy, rate }) {
  const seconds = bench.pick(rate > 1000 ? 3 : 4, 0.6);
  const names = bench.runnable(['epoll', ...OURS, ...OTHERS]);
  const isDeaf = (name) => busy === 100 && ON_MAIN.has(name);
  const rounds = bench.pick(5, 1);
  const roundsOf = (name) =>
    name === 'epoll' || OURS.includes(name) || name === 'node-http-worker' ? rounds : 1;
  return interleave(names, { rounds, roundsOf }, (name) =>
    bench.withSubject(name, { busy }, async (subject) => {
      // Nobody answers on a main thread that is blocked for good; a short run shows it.
      if (isDeaf(name)) return openLoop(subject, { rate, seconds: 0.3 });
      // Steady state: code that is not compiled yet belongs to the question how soon the first answer comes.
      await openLoop(subject, { rate: 1000, seconds: bench.pick(1, 0.3) });
      return openLoop(subject, { rate, seconds });
    }),
  );
}

function tableOf(bench, cell, results) {
  const reference = results.get('epoll');
  const rows = [...results].map(([name, rounds]) => {
    const of = (key) => median(rounds.map((each) => each.latencyUs[key]));
    const sent = rounds.reduce((sum, each) => sum + each.sent, 0);
    const lost = rounds.reduce((sum, each) => sum + each.errors, 0);
    if (lost === sent) return [bench.title(name), '–', '–', '–', '–', '100 %', '–', '–', '–'];
    return [
      bench.title(name),
      formatUs(of('p50')),
      formatUs(of('p99')),
      formatUs(of('p999')),
      formatUs(Math.max(...rounds.map((each) => each.latencyUs.max))),
      lost === 0 ? '0' : `${((100 * lost) / sent).toFixed(2)} %`,
      formatRatio(ratio(rounds, reference, 'p50')),
      formatRatio(ratio(rounds, reference, 'p99')),
      // With a busy main thread the CPU of the process says nothing about the probes.
      cell.busy === 0
        ? formatUs(median(rounds.map((each) => (each.serverCpuMs * 1000) / each.answered)))
        : '–',
    ];
  });
  const lag = median(reference.map((each) => each.lagUs.p99));
  const title = `${label(cell)}${isSaturated(results) ? ' (more than this machine can carry)' : ''}; the generator was late by ${formatUs(lag)} at p99`;
  return {
    title,
    columns: ['', 'p50', 'p99', 'p99.9', 'max', 'unanswered', 'p50 ÷ epoll', 'p99 ÷ epoll', 'CPU per probe'],
    rows,
    isRealtime: reference.every((each) => each.isRealtime),
  };
}

function measuresOf(bench, cell, results) {
  const reference = results.get('epoll');
  const key = `busy ${cell.busy} %, ${cell.rate}/s`;
  const measures = {};
  for (const name of OURS) {
    const skipped =
      bench.whyNot(name) ?? (isSaturated(results) ? 'the epoll responder is saturated too' : undefined);
    const set = (what, value) => {
      measures[`${name} ${what}, ${key}`] = skipped === undefined ? value() : { skipped };
    };
    set('p50 ÷ epoll', () => ratio(results.get(name), reference, 'p50'));
    set('p99 ÷ epoll', () => ratio(results.get(name), reference, 'p99'));
    set('max ms', () => Math.max(...results.get(name).map((each) => each.latencyUs.max)) / 1000);
  }
  return measures;
}

function ratio(rounds, reference, quantile) {
  const value = (each) => each.latencyUs[quantile];
  return medianRatio(rounds.map(value), reference.slice(0, rounds.length).map(value));
}

function isSaturated(results) {
  const reference = results.get('epoll');
  return (
    median(reference.map((each) => each.latencyUs.p99)) > SATURATED_P99_US ||
    reference.some((each) => each.errors > 0)
  );
}

const label = ({ busy, rate }) => `Main thread blocked ${busy} %, ${rate.toLocaleString('en')} probes/s`;
