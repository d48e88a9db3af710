// What lies on the path of every token of a migratable stream: the fenced log and the text assembler.
import { join } from 'node:path';
import { root } from './lib/paths.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, median, medianRatio } from './lib/stats.mjs';
import { launch } from './lib/subjects.mjs';

export const question = 'What does one token cost between the frame of a worker and the text of the client?';

const STOPS = ['</s>', '\n\nUser:', ' the end', 'STOP'];
const plans = {
  short: { title: 'streams of 200 tokens', length: 200, stops: [] },
  long: { title: 'streams of 100,000 tokens', length: 100_000, stops: [] },
  stops: { title: 'streams of 200 tokens, four stop strings', length: 200, stops: STOPS },
};

export async function run(bench) {
  const names = Object.keys(plans);
  const results = await interleave(names, { rounds: bench.pick(5, 1) }, async (name) => {
    const { length, stops } = plans[name];
    const script = join(root, 'bench', 'subjects', 'token-path.cjs');
    const options = JSON.stringify({ tokens: bench.pick(400_000, 100_000), length, stops });
    const subject = await launch(name, '', [process.execPath, script, options]);
    await subject.stop();
    return subject;
  });
  const ns = (name) => results.get(name).map((each) => each.ns);
  const table = {
    columns: ['', 'one token', '÷ short streams'],
    rows: names.map((name) => [
      plans[name].title,
      `${median(ns(name)).toFixed(0)} ns`,
      formatRatio(medianRatio(ns(name), ns('short'))),
    ]),
  };
  const measures = {
    'log and assembler µs a token': median(ns('short')) / 1000,
    'with four stop strings µs a token': median(ns('stops')) / 1000,
    '100,000 tokens ÷ 200 tokens': medianRatio(ns('long'), ns('short')),
  };
  return { tables: [table], measures };
}
