// A million simulated migrations: no token lost, repeated, swapped or wrong, one end for every request, nothing left over.
//
//   npm run proof -- migrations [--count 1000000] [--seed 1] [--threads 2]
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** @param {string[]} args */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string', default: '2' },
    },
  });
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.sim.json'], { cwd: root, stdio: 'inherit' });
  const load = (name) => import(pathToFileURL(`${root}/build-sim/test/sim/${name}.js`).href);
  const { runThreads } = await load('threads');
  const { MIGRATIONS } = await load('profiles');

  const wanted = Number(values.count);
  const from = Number(values.seed);
  const started = performance.now();
  const sum = await runThreads(
    { from, until: Number.MAX_SAFE_INTEGER, profile: MIGRATIONS, threads: Number(values.threads) },
    ({ stats }) => stats.migrations >= wanted,
  );
  const { migrations, tokens, requests, finished, planned, hedges, failed } = sum.stats;
  for (const { seed, violation } of sum.failed.slice(0, 20)) console.log(`seed ${seed}: ${violation}`);
  console.log(
    `${migrations} migrations (${planned} planned, ${hedges} hedged starts) of ${requests} requests in ${sum.scenarios} scenarios from seed ${from}: ` +
      `${tokens} tokens checked by content, ${finished} requests finished, ended with an error: ${JSON.stringify(failed)}`,
  );
  console.log(
    `${sum.failed.length} violations, ${sum.checks} checks, ${Math.round((performance.now() - started) / 1000)} s`,
  );
  return sum.failed.length === 0 && migrations >= wanted;
}
