/** node build-sim/test/sim/compare.js [SEEDS]: detectors on the same seeds, and false ejections under pauses. */
import { runSeeds } from './batch.js';
import { DETECTION, PAUSES } from './profiles.js';
import { RIVALS } from './rivals.js';
import type { Machines } from './world.js';

const seeds = Number(process.argv[2] ?? 100);
const policies: [string, Partial<Machines>][] = [
  ['ours', {}],
  ...Object.values(RIVALS).map(({ title, machines }): [string, Partial<Machines>] => [
    `${title} (policy re-implementation)`,
    machines,
  ]),
];

function quantile(sorted: readonly number[], share: number): string {
  if (sorted.length === 0) return '–';
  return `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)}`;
}

console.log(`| policy | fault | noticed | of | median ms | p99 ms |\n|---|---|---|---|---|---|`);
for (const [title, machines] of policies) {
  const { stats } = runSeeds({ from: 1, until: 1 + seeds, step: 1 }, DETECTION, machines);
  for (const kind of ['crash', 'freeze', 'hang']) {
    const times = [...(stats.detections[kind] ?? [])].sort((a, b) => a - b);
    const all = stats.started[kind] ?? 0;
    console.log(
      `| ${title} | ${kind} | ${times.length} | ${all} | ${quantile(times, 0.5)} | ${quantile(times, 0.99)} |`,
    );
  }
}
console.log(
  '\n| policy | beacons of workers without a fault but pauses | false ejections | requests that failed |\n|---|---|---|---|',
);
for (const [title, machines] of policies) {
  const { stats } = runSeeds({ from: 1, until: 1 + Math.ceil(seeds / 4), step: 1 }, PAUSES, machines);
  const failed = Object.values(stats.failed).reduce((sum, each) => sum + each, 0);
  console.log(`| ${title} | ${stats.probes} | ${stats.ejections} | ${failed} of ${stats.requests} |`);
}
