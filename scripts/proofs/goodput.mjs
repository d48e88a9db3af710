// Goodput of admission policies from half the capacity of a pool to four times as much, how soon it is back after a burst,
// and how many attempts a total outage takes. Virtual time. Writes docs/fleet/goodput.svg and the tables of
// docs/fleet/admission.md.
//
//   npm run proof -- goodput [--seed 1] [--model accelerator] [--no-write]
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createExperiment, FULL, MODELS, outage, POLICIES } from '../lib/goodput/experiment.mjs';
import { plot } from '../lib/goodput/plot.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = (path) => createRequire(import.meta.url)(`${root}dist/cjs/fleet/${path}`);
const LOADS = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4];

/** @returns {Promise<boolean>} whether it holds */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      seed: { type: 'string', default: '1' },
      model: { type: 'string', default: 'accelerator' },
      write: { type: 'boolean', default: true },
    },
  });
  const model = MODELS[values.model];
  if (model === undefined)
    throw new Error(`no such model: ${values.model}; there are ${Object.keys(MODELS)}`);
  const lib = { ...load('admission/admission.js'), ...load('admission/busy-workers.js') };
  const experiment = createExperiment({ model, lib, seed: Number(values.seed) });
  const curves = new Map();
  for (const name of Object.keys(POLICIES))
    curves.set(
      name,
      LOADS.map((each) => experiment.steady(name, each)),
    );
  const peak = Math.max(...[...curves.values()].flat());
  const percent = (value) => `${((100 * value) / peak).toFixed(0)} %`;
  const recoveries = new Map(Object.keys(POLICIES).map((name) => [name, experiment.recovery(name)]));
  const lines = [
    `| policy | ${LOADS.map((each) => `${each} ×`).join(' | ')} | back after |`,
    `|---|${'---|'.repeat(LOADS.length + 1)}`,
    ...[...curves].map(([name, goodputs]) => {
      const seconds = recoveries.get(name);
      return `| ${name} | ${goodputs.map(percent).join(' | ')} | ${seconds === null ? 'not in 50 s' : `${seconds} s`} |`;
    }),
  ];
  const { createRetryBudget } = load('retry-budget.js');
  const attempts = [20, 100, 1000].map((rate) => [
    rate,
    outage({ createRetryBudget, rate }),
    outage({ createRetryBudget, rate, options: { minPerSecond: 0 } }),
  ]);
  const outageLines = [
    '| requests a second | attempts ÷ requests | with `minPerSecond` 0 |',
    '|---|---|---|',
    ...attempts.map(([rate, some, none]) => `| ${rate} | ${some.toFixed(3)} | ${none.toFixed(3)} |`),
  ];
  const about = `Model \`${values.model}\`, seed ${values.seed}: 4 workers, ${experiment.perSecond.toFixed(1)} requests a second are 1 ×, 2 s to the first token, ${experiment.interTokenMs.toFixed(0)} ms between tokens; 100 % is ${peak.toFixed(0)} tokens a second.`;
  const report = [about, '', ...lines, '', ...outageLines].join('\n');
  console.log(report);

  if (values.write) {
    const title = `Goodput ÷ peak, model "${values.model}", seed ${values.seed} (others: policy re-implementations)`;
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
  const at3 = curves.get(FULL)[LOADS.indexOf(3)] / peak;
  const seconds = recoveries.get(FULL);
  const holds = [
    [`${FULL}: ${percent(at3 * peak)} of the peak at 3 ×, at least 95 % wanted`, at3 >= 0.95],
    [`${FULL}: back after ${seconds} s, at most 10 wanted`, seconds !== null && seconds <= 10],
    [
      `attempts ÷ requests at 1000 a second, budget of a share alone: ${attempts[2][2].toFixed(3)}, at most 1.2 wanted`,
      attempts[2][2] <= 1.2,
    ],
  ];
  for (const [words, isMet] of holds) console.log(`${isMet ? 'ok    ' : 'FAILED'} ${words}`);
  return holds.every(([, isMet]) => isMet);
}
