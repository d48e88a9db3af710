// npm run faults -- SCENARIO: runs a recovery scenario between real processes and prints its steps; or a scenario of your own,
// as a JSON file (docs/testing.md), and prints all that happened.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from './lib/parse-args.mjs';
import { fakeGpu } from './lib/recovery/fake-gpus.mjs';
import { recover } from './lib/recovery/recover.mjs';
import { RECOVERIES } from './lib/recovery/scenarios.mjs';

const { runScenario } = createRequire(import.meta.url)('../dist/cjs/testing/index.js');
const names = Object.keys(RECOVERIES);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { log: { type: 'boolean', default: false } },
});
if (positionals.length === 0) {
  console.error(
    `usage: npm run faults -- SCENARIO… [--log]\nthere are ${names.join(', ')}; or the path of a JSON file`,
  );
  process.exit(64);
}
let isAll = true;
for (const name of positionals)
  isAll = (await (names.includes(name) ? showRecovery(name) : runFile(name))) && isAll;
process.exit(isAll ? 0 : 1);

async function showRecovery(name) {
  const { title, table, result, holds } = await recover(name);
  console.log(`${title}: seconds since the fault\n\n${table}\n`);
  if (values.log) console.log(`${result.log}\n`);
  console.log(`${result.text}\n`);
  return holds;
}

async function runFile(path) {
  try {
    const { log, text, holds } = await runScenario(JSON.parse(readFileSync(path, 'utf8')), { fakeGpu });
    console.log(`${log}\n\n${text}`);
    return holds;
  } catch (error) {
    console.error(`${path}: ${error.message}`);
    return false;
  }
}
