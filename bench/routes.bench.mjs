// The other routes against /health/live, and their slowest answers while the main thread is blocked.
import { closedLoop, openLoop } from './lib/load.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, formatUs, median, medianRatio } from './lib/stats.mjs';

export const question = 'What do the other routes cost, next to /health/live?';

const COMPONENTS = 20;
const ENGINES = ['uws', 'http'];
const ROUTES = ['/health/live', '/health/ready', '/livez', '/health', '/metrics'];
// Readiness is 503 once the loop has been blocked for a second, and that is an answer.
const ANY_STATUS = 0;

export async function run(bench) {
  const tables = [];
  const measures = {};
  const failures = [];
  for (const engine of ENGINES) {
    const skipped = bench.whyNot(engine);
    if (skipped !== undefined) {
      for (const route of ROUTES.slice(1)) measures[`${engine} ${route} CPU ÷ /health/live`] = { skipped };
      for (const route of ['/health/ready', '/health']) measures[`${engine} ${route} max ms`] = { skipped };
      continue;
    }
    const costs = await measureCosts(bench, engine);
    const cpu = (route) => costs.get(route).map((each) => each.cpuUs);
    for (const route of ROUTES.slice(1)) {
      measures[`${engine} ${route} CPU ÷ /health/live`] = medianRatio(cpu(route), cpu('/health/live'));
    }
    for (const [route, rounds] of costs) {
      const errors = rounds.reduce((sum, each) => sum + each.errors, 0);
      if (errors > 0) failures.push(`${engine} ${route}: ${errors} requests failed`);
    }
    const slowest = new Map();
    for (const route of ROUTES) slowest.set(route, await measureUnderBlock(bench, engine, route));
    for (const route of ['/health/ready', '/health']) {
      measures[`${engine} ${route} max ms`] = slowest.get(route).latencyUs.max / 1000;
    }
    tables.push({
      title: `${bench.title(engine)}, ${COMPONENTS} components of the application's`,
      columns: ['', 'CPU per request', '÷ /health/live', 'bytes', 'p50, main blocked', 'p99', 'max'],
      rows: ROUTES.map((route) => [
        route,
        `${median(cpu(route)).toFixed(1)} µs`,
        formatRatio(medianRatio(cpu(route), cpu('/health/live'))),
        costs.get(route)[0].replyBytes.toLocaleString('en'),
        ...['p50', 'p99', 'max'].map((key) => formatUs(slowest.get(route).latencyUs[key])),
      ]),
    });
  }
  const notes = [
    'CPU with 64 kept-alive connections (4 for /metrics); latency with a fresh connection per request, 1,000/s (20/s for /metrics).',
  ];
  return { tables, measures, failures, notes };
}

function measureCosts(bench, engine) {
  return interleave(ROUTES, { rounds: bench.pick(5, 1) }, (path) =>
    bench.withSubject(engine, { components: COMPONENTS }, (subject) =>
      closedLoop(subject, {
        path,
        seconds: bench.pick(2, 0.3),
        warmup: bench.pick(1, 0.3),
        connections: path === '/metrics' ? 4 : 64,
      }),
    ),
  );
}

function measureUnderBlock(bench, engine, path) {
  const rate = path === '/metrics' ? 20 : 1000;
  return bench.withSubject(engine, { components: COMPONENTS, busy: 100 }, async (subject) => {
    await openLoop(subject, { rate, seconds: bench.pick(1, 0.2), path, expect: ANY_STATUS });
    return openLoop(subject, { rate, seconds: bench.pick(4, 0.4), path, expect: ANY_STATUS });
  });
}
