// npm run bench [-- NAME… --smoke --no-write --accept]
//
// Runs bench/NAME.bench.mjs (all without a name), holds the results against budgets.json and writes docs/benchmarks.md.
// `--accept` takes the results as the accepted ones in budgets.json.
// `--smoke` runs a short form of everything, writes nothing, and still fails when something is broken or far over.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from '../scripts/lib/parse-args.mjs';
import { createBench } from './lib/bench.mjs';
import { accept, compare, readBudgets } from './lib/budgets.mjs';
import { machine } from './lib/machine.mjs';
import { buildTools } from './lib/native.mjs';
import { root } from './lib/paths.mjs';
import { installPeers } from './lib/peers.mjs';
import { budgetTable, section, terminalTable, writePage } from './lib/report.mjs';

const order = [
  'liveness',
  'keepalive',
  'routes',
  'quota',
  'start',
  'host-sample',
  'token-path',
  'frontend-overhead',
  'scale',
  'pool-admission',
  'discovery-scale',
  'cancel',
  'overhead',
  'gpu-fault',
  'gpu-wedged',
  'gpu-cost',
];

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    smoke: { type: 'boolean', default: false },
    write: { type: 'boolean' },
    accept: { type: 'boolean', default: false },
  },
});

const files = readdirSync(join(root, 'bench'))
  .filter((file) => file.endsWith('.bench.mjs'))
  .map((file) => file.replace('.bench.mjs', ''));
const unknown = names.filter((name) => !files.includes(name));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${order.join(', ')}`);
  process.exit(64);
}

const toolFailure = buildTools();
if (toolFailure !== null) {
  console.error(`the C++ tools of the benchmarks cannot be built: ${toolFailure}`);
  process.exit(1);
}
const missingPeers = installPeers();
if (missingPeers !== null) console.log(`other packages are not measured: ${missingPeers}\n`);

const budgets = readBudgets();
const bench = await createBench({ isSmoke: flags.smoke, missingPeers });
const selected = order.filter((name) => (names.length === 0 ? files : names).includes(name));
const sections = new Map();
const failures = [];
const accepted = new Map();

for (const name of selected) {
  const { question, run } = await import(pathToFileURL(join(root, 'bench', `${name}.bench.mjs`)).href);
  console.log(`# ${name}: ${question}\n`);
  const started = performance.now();
  const where = machine();
  let result;
  try {
    result = await run(bench);
  } catch (error) {
    console.error(error);
    failures.push(`${name}: ${error.message}`);
    continue;
  }
  if (result.skipped !== undefined) console.log(`skipped: ${result.skipped}\n`);
  for (const table of result.tables ?? []) console.log(terminalTable(table));
  for (const note of result.notes ?? []) console.log(`${note}\n`);
  for (const problem of result.failures ?? []) failures.push(`${name}: ${problem}`);

  const budgetRows =
    result.skipped !== undefined
      ? []
      : compare(budgets.questions[name] ?? {}, result.measures, {
          isSmoke: flags.smoke,
          smokeFactor: budgets.smokeFactor,
        });
  if (budgetRows.length > 0) console.log(terminalTable(budgetTable(budgetRows)));
  for (const row of budgetRows) {
    if (row.state === 'over')
      failures.push(
        `${name}: ${row.key} is ${row.value.toPrecision(3)}, allowed ${row.bound.toPrecision(3)}`,
      );
    if (row.state === 'missing') failures.push(`${name}: ${row.key} was not measured`);
  }
  if (result.skipped === undefined) accepted.set(name, result.measures);
  sections.set(name, section({ name, question, result, budgetRows, machine: where }));
  console.log(`(${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
}

if (flags.accept && !flags.smoke) accept(accepted);
if (flags.write ?? !flags.smoke) console.log(`written: ${writePage(sections, order)}`);
for (const failure of failures) console.error(`FAILED ${failure}`);
console.log(failures.length === 0 ? 'all budgets met' : `${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
