// 64 kept-alive connections, each sending its next request when it has its answer.
import { closedLoop } from './lib/load.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, median, medianRatio } from './lib/stats.mjs';

export const question = 'What does one keep-alive request of /health/live cost?';

const OURS = ['uws', 'http'];
const OTHERS = ['node-http-worker', 'node-http', 'terminus', 'under-pressure', 'lightship'];

export async function run(bench) {
  const names = bench.runnable(['epoll', ...OURS, ...OTHERS]);
  const rounds = bench.pick(5, 1);
  const roundsOf = (name) => (bench.isPeer(name) ? 1 : rounds);
  const results = await interleave(names, { rounds, roundsOf }, (name) =>
    bench.withSubject(name, { busy: 0 }, (subject) =>
      closedLoop(subject, { seconds: bench.pick(3, 0.5), warmup: bench.pick(1, 0.4) }),
    ),
  );
  const cpu = (name) => results.get(name).map((each) => each.cpuUs);
  const rate = (name) => results.get(name).map((each) => each.perSecond);
  const ratio = (of, name, reference) => {
    const series = of(name);
    return medianRatio(series, of(reference).slice(0, series.length));
  };

  const measures = {};
  const failures = [];
  for (const name of OURS) {
    const skipped = bench.whyNot(name);
    const set = (what, value) => {
      measures[`${name} ${what}`] = skipped === undefined ? value() : { skipped };
    };
    set('CPU ÷ epoll', () => ratio(cpu, name, 'epoll'));
    set('CPU ÷ node:http on the main thread', () => ratio(cpu, name, 'node-http'));
    set('throughput ÷ epoll', () => ratio(rate, name, 'epoll'));
    const errors = skipped === undefined ? results.get(name).reduce((sum, each) => sum + each.errors, 0) : 0;
    if (errors > 0) failures.push(`${name}: ${errors} requests failed`);
  }
  const rows = [...results].map(([name, each]) => [
    bench.title(name),
    Math.round(median(rate(name))).toLocaleString('en'),
    `${median(cpu(name)).toFixed(1)} µs`,
    String(each[0].replyBytes),
    formatRatio(ratio(cpu, name, 'epoll')),
    formatRatio(ratio(cpu, name, 'node-http')),
  ]);
  const columns = ['', 'requests/s', 'CPU per request', 'bytes', 'CPU ÷ epoll', 'CPU ÷ node:http'];
  return {
    tables: [{ columns, rows }],
    measures,
    failures,
    notes: ['CPU is that of all threads of the server, kernel time included.'],
  };
}
