// What a frontend pays before a request reaches a worker: to refuse one at once, and to let one wait and serve it.
import { join } from 'node:path';
import { root } from './lib/paths.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, median, medianRatio } from './lib/stats.mjs';
import { launch } from './lib/subjects.mjs';

export const question = 'What does admission to a pool cost while thousands of requests wait?';

const WAITING = ['100', '1000', '10000'];

export async function run(bench) {
  const results = await interleave(WAITING, { rounds: bench.pick(3, 1) }, async (waiting) => {
    const script = join(root, 'bench', 'subjects', 'pool-admission.cjs');
    const options = JSON.stringify({ waiting: Number(waiting), count: bench.pick(3000, 500) });
    const subject = await launch(waiting, '', [process.execPath, script, options]);
    await subject.stop();
    return subject;
  });
  const us = (waiting, what) => results.get(waiting).map((each) => each[what]);
  const table = {
    columns: [
      'requests that wait',
      'refuse one',
      '÷ 100 wait',
      'queue one, ten tokens, serve one',
      '÷ 100 wait',
    ],
    rows: WAITING.map((waiting) => [
      waiting,
      ...['rejectUs', 'admitUs'].flatMap((what) => [
        `${median(us(waiting, what)).toFixed(1)} µs`,
        formatRatio(medianRatio(us(waiting, what), us('100', what))),
      ]),
    ]),
  };
  const measures = {
    'refusal CPU µs, 10,000 wait': median(us('10000', 'rejectUs')),
    'queue and serve CPU µs, 10,000 wait': median(us('10000', 'admitUs')),
    'refusal, 10,000 wait ÷ 100 wait': medianRatio(us('10000', 'rejectUs'), us('100', 'rejectUs')),
  };
  return { tables: [table], measures };
}
