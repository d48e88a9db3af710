// What a frontend pays for the instances that are registered, as their number grows.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './lib/paths.mjs';
import { interleave } from './lib/rounds.mjs';
import { median } from './lib/stats.mjs';

export const question = 'What do ten thousand registered instances cost a frontend?';

const SIZES = ['100', '1000', '10000'];

export async function run(bench) {
  const results = await interleave(SIZES, { rounds: bench.pick(5, 1) }, async (size) => {
    const script = join(root, 'bench', 'subjects', 'discovery-scale.cjs');
    const options = { instances: Number(size), changes: bench.pick(200, 20), picks: bench.pick(2000, 200) };
    const args = ['--expose-gc', script, JSON.stringify(options)];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  });
  const of = (size, what) => median(results.get(size).map((each) => each[what]));
  const us = (size, what) => `${of(size, what).toFixed(0)} µs`;
  const table = {
    columns: [
      'instances',
      'read one of a list',
      'take it up',
      'one change',
      '`/health` after it',
      '`/health` again',
      'choose a worker',
      'memory each',
    ],
    rows: SIZES.map((size) => [
      size,
      us(size, 'decodeUsEach'),
      us(size, 'listUsEach'),
      us(size, 'changeUs'),
      us(size, 'renderUs'),
      us(size, 'cachedUs'),
      us(size, 'pickUs'),
      `${(of(size, 'bytesEach') / 1024).toFixed(1)} KiB`,
    ]),
  };
  const measures = {
    'change CPU µs, 10,000 instances': of('10000', 'changeUs'),
    '/health after a change CPU µs, 10,000 instances': of('10000', 'renderUs'),
    'choice CPU µs, 10,000 instances': of('10000', 'pickUs'),
  };
  return { tables: [table], measures };
}
