// A million simulated migrations: no token lost, repeated, swapped or wrong, one end for every request, nothing left over.
//
//   npm run proof -- migrations [--migrations 1000000] [--from 1] [--threads 2] [--minutes 60]
//
// It goes through seeds in order from --from; what it did not come to in its time, another run with the --from of the last
// line does. Runs at low priority.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from '../lib/parse-args.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PROGRESS_MS = 10_000;
/** Seeds that a thread takes at a time: a few seconds. */
const CHUNK = 10;
const LOW_PRIORITY = 10;

/** @param {Record<string, string>} values */
function whole(values, name) {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} is a whole number from 1, not ${values[name]}`);
  return value;
}

/** @param {string[]} args */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: {
      migrations: { type: 'string', default: '1000000' },
      from: { type: 'string', default: '1' },
      threads: { type: 'string', default: '2' },
      minutes: { type: 'string', default: '60' },
    },
  });
  const [wanted, from, threads, minutes] = ['migrations', 'from', 'threads', 'minutes'].map((name) =>
    whole(values, name),
  );
  setPriority(LOW_PRIORITY);
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.sim.json'], { cwd: root, stdio: 'inherit' });
  const load = (name) => import(pathToFileURL(`${root}/build-sim/test/sim/${name}.js`).href);
  const { runThreads } = await load('threads');
  const { MIGRATIONS } = await load('profiles');

  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let toldS = 0;
  /** Asked after each chunk. */
  function isEnough({ stats, scenarios, failed }) {
    if (seconds() - toldS >= PROGRESS_MS / 1000) {
      toldS = seconds();
      console.log(
        `${Math.round(toldS)} s: ${stats.migrations} migrations, ${scenarios} scenarios, ${stats.tokens} tokens, ${failed.length} violations`,
      );
    }
    return stats.migrations >= wanted || seconds() > minutes * 60;
  }
  const until = Number.MAX_SAFE_INTEGER;
  const sum = await runThreads({ from, until, profile: MIGRATIONS, threads, chunk: CHUNK }, isEnough);

  const { migrations, tokens, requests, finished, planned, hedges, failed } = sum.stats;
  for (const { seed, violation } of sum.failed.slice(0, 20)) console.log(`seed ${seed}: ${violation}`);
  console.log(
    `${migrations} migrations (${planned} planned, ${hedges} hedged starts) of ${requests} requests in ${sum.scenarios} scenarios: ` +
      `${tokens} tokens checked by content, ${finished} requests finished, ended with an error: ${JSON.stringify(failed)}`,
  );
  const isDone = migrations >= wanted;
  console.log(
    `seeds ${from} to ${from + sum.scenarios - 1}: ${sum.failed.length} violations, ${sum.checks} checks, ${Math.round(seconds())} s` +
      (isDone
        ? ''
        : `; go on with --migrations ${wanted - migrations} --from ${from + sum.scenarios} --threads ${threads}`),
  );
  return sum.failed.length === 0 && isDone;
}
