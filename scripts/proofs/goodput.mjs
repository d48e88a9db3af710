// Goodput of admission policies from half the capacity of a pool to four times as much, how soon it is back after a burst,
// and how many attempts a total outage takes. Virtual time. Writes docs/fleet/goodput.svg and the tables of
// docs/fleet/admission.md.
//
//   npm run proof -- goodput [--seeds 1,2,3] [--model accelerator] [--no-write]
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createExperiment, FULL, MODELS, outage, POLICIES } from '../lib/goodput/experiment.mjs';
import { plot } from '../lib/goodput/plot.mjs';
import { RIVALS } from '../lib/goodput/rivals.mjs';
import { parseArgs } from '../lib/parse-args.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = (path) => createRequire(import.meta.url)(`${root}dist/cjs/fleet/${path}`);
const LOADS = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4];

/** @returns {Promise<boolean>} whether it holds */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      model: { type: 'string', default: 'accelerator' },
      write: { type: 'boolean', default: true },
    },
  });
  const model = MODELS[values.model];
  if (model === undefined)
    throw new Error(`no such model: ${values.model}; there are ${Object.keys(MODELS)}`);
  const lib = {
    ...load('admission/admission.js'),
    ...load('admission/busy-workers.js'),
    ...load('service-rate.js'),
  };
  const seeds = values.seeds.split(',').map(Number);
  const experiments = seeds.map((seed) => createExperiment({ model, lib, seed }));
  const [experiment] = experiments;
  const mean = (of) => experiments.reduce((sum, each) => sum + of(each), 0) / experiments.length;
  const curves = new Map();
  for (const name of Object.keys(POLICIES))
    curves.set(
      name,
      LOADS.map((load) => mean((each) => each.steady(name, load))),
    );
  const peak = Math.max(...[...curves.values()].flat());
  const percent = (value) => `${((100 * value) / peak).toFixed(0)} %`;
  /** The longest of all seeds. */
  const recoveries = new Map(
    Object.keys(POLICIES).map((name) => {
      const all = experiments.map((each) => each.recovery(name));
      return [name, all.includes(null) ? null : Math.max(...all)];
    }),
  );
  const lines = [
    `| policy | ${LOADS.map((each) => `${each} ×`).join(' | ')} | back after |`,
    `|---|${'---|'.repeat(LOADS.length + 1)}`,
    ...[...curves].map(([name, goodputs]) => {
      const seconds = recoveries.get(name);
      return `| ${name}${name in RIVALS ? ' †' : ''} | ${goodputs.map(percent).join(' | ')} | ${seconds === null ? 'not in 50 s' : `${seconds} s`} |`;
    }),
  ];
  lines.push('', '† policy re-implementation');
  const { createRetryBudget } = load('retry-budget.js');
  const attempts = [5, 20, 100, 1000].map((rate) => [rate, outage({ createRetryBudget, rate })]);
  const outageLines = [
    '| requests a second | attempts ÷ requests |',
    '|---|---|',
    ...attempts.map(([rate, ratio]) => `| ${rate} | ${ratio.toFixed(3)} |`),
  ];
  const about = `Model \`${values.model}\`, mean of seeds ${values.seeds}: 4 workers, ${experiment.perSecond.toFixed(1)} requests a second are 1 ×, 2 s to the first token, ${experiment.interTokenMs.toFixed(0)} ms between tokens; 100 % is ${peak.toFixed(0)} tokens a second.`;
  const report = [about, '', ...lines, '', ...outageLines].join('\n');
  console.log(report);

  if (values.write) {
    const title = `Goodput ÷ peak, model "${values.model}", mean of ${seeds.length} seeds (others: policy re-implementations)`;
    writeFileSync(`${root}docs/fleet/goodput.svg`, plot(title, LOADS, curves, peak));
    const page = `${root}docs/fleet/admission.md`;
    const text = readFileSync(page, 'utf8');
    writeFileSync(
      page,
      text.replace(
        /(<!-- goodput -->\n)[\s\S]*(<!-- \/goodput -->)/,
        (_, begin, end) => `${begin}${report}\n${end}`,
      ),
    );
  }
  const shareAt = (load) => curves.get(FULL)[LOADS.indexOf(load)] / peak;
  const seconds = recoveries.get(FULL);
  const holds = [
    ...[1.25, 3].map((each) => [
      `${FULL}: ${percent(shareAt(each) * peak)} of the peak at ${each} ×, at least 95 % wanted`,
      shareAt(each) >= 0.95,
    ]),
    [`${FULL}: back after ${seconds} s, at most 10 wanted`, seconds !== null && seconds <= 10],
    ...attempts.map(([rate, ratio]) => [
      `attempts ÷ requests in a total outage at ${rate} a second: ${ratio.toFixed(3)}, at most 1.2 wanted`,
      ratio <= 1.2,
    ]),
  ];
  for (const [words, isMet] of holds) console.log(`${isMet ? 'ok    ' : 'FAILED'} ${words}`);
  return holds.every(([, isMet]) => isMet);
}
