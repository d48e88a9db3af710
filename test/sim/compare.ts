/** node build-sim/test/sim/compare.js [SEEDS]: other systems' policies and ours on the same seeds, as the tables of docs/simulation.md. */
import type { Batch } from './batch.js';
import { DETECTION, MIGRATIONS, OVERLOAD, SLOW } from './profiles.js';
import { RIVALS, type RivalName } from './rivals.js';
import type { Profile } from './scenario.js';
import { runThreads } from './threads.js';

const seeds = Number(process.argv[2] ?? 100);

const titleOf = (name: RivalName | 'ours'): string =>
  name === 'ours' ? 'ours' : `${RIVALS[name].title} (policy re-implementation)`;

const run = (name: string, profile: Profile, share: number): Promise<Batch> =>
  runThreads({ from: 1, until: 1 + Math.ceil(seeds * share), profile, set: name, chunk: 10 });

function quantile(sorted: readonly number[], share: number): string {
  if (sorted.length === 0) return '–';
  return `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)}`;
}

const percent = (part: number, all: number): string => `${((100 * part) / Math.max(1, all)).toFixed(1)} %`;
const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);

/** Most frequent first. */
const outcomes = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');

console.log('| policy | fault | noticed | of | median ms | p90 ms | p99 ms |\n|---|---|---|---|---|---|---|');
for (const name of ['ours', 'dynamo', 'smg', 'envoy'] as const) {
  const { stats } = await run(name, DETECTION, 1);
  for (const kind of ['crash', 'freeze', 'hang']) {
    const times = [...(stats.detections[kind] ?? [])].sort((a, b) => a - b);
    const all = stats.started[kind] ?? 0;
    const quantiles = [0.5, 0.9, 0.99].map((share) => quantile(times, share)).join(' | ');
    console.log(`| ${titleOf(name)} | ${kind} | ${times.length} | ${all} | ${quantiles} |`);
  }
}

console.log(
  '\n| migration rules | requests | whole by the end | ended with an error | of those | attempts |\n|---|---|---|---|---|---|',
);
const MOVES = [
  [', at most 3 moves a minute', 'ours', { ...MIGRATIONS, migrationLimit: 3 }],
  [', at most 8 moves a minute', 'ours', MIGRATIONS],
  ['', 'dynamo-migration', MIGRATIONS],
] as const;
for (const [limit, name, profile] of MOVES) {
  const { requests, finished, failed, dispatches } = (await run(name, profile, 0.2)).stats;
  const errors = sumOf(failed);
  console.log(
    `| ${titleOf(name)}${limit} | ${requests} | ${finished} (${percent(finished, requests)}) | ${errors} (${percent(errors, requests)}) | ${outcomes(failed)} | ${dispatches} |`,
  );
}

console.log('\n| canary | scenarios of slow engines | times a worker became unready |\n|---|---|---|');
for (const name of ['ours', 'dynamo-canary'] as const) {
  const { stats, scenarios } = await run(name, SLOW, 0.5);
  console.log(`| ${titleOf(name)} | ${scenarios} | ${stats.unready} |`);
}

console.log('\n| admission | requests | refused | whole answer within 4 s |\n|---|---|---|---|');
for (const name of ['ours', 'lets-all-in', 'gie', 'static-thresholds'] as const) {
  const { stats } = await run(name, OVERLOAD, 0.2);
  const title = name === 'lets-all-in' ? 'none' : titleOf(name);
  console.log(
    `| ${title} | ${stats.requests} | ${percent(sumOf(stats.rejected), stats.requests)} | ${stats.inTime} (${percent(stats.inTime, stats.requests)}) |`,
  );
}
