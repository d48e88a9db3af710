// npm run peers -- ENGINE [--only STEP ...] [--folder DIR] [--python PATH]: two real servers of somebody else behind our frontend. Installs the
// server's Python packages into a folder of its own; what `npm ci` and `npm test` need has no part in it.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from '../../scripts/lib/parse-args.mjs';
import { llamacpp } from './llamacpp.mjs';
import { createPeer, startFrontend } from './processes.mjs';
import { STEPS } from './steps.mjs';
import { Missing, pythonWith } from './venv.mjs';
import { vllm } from './vllm.mjs';

const ENGINES = { llamacpp, vllm };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    folder: { type: 'string' },
    python: { type: 'string' },
  },
});
const engine = ENGINES[positionals[0]];
const unknown = values.only?.find((name) => !STEPS.some(([step]) => step === name));
if (engine === undefined || positionals.length > 1 || unknown !== undefined) {
  console.error(`usage: npm run peers -- ENGINE [--only STEP] [--folder DIR] [--python PATH]
ENGINE  ${Object.keys(ENGINES).join(', ')}
STEP    ${STEPS.map(([name]) => name).join(', ')}
DIR     keeps packages and logs; without it they are removed in the end
PATH    an interpreter that has the server's packages already: nothing is installed`);
  process.exit(64);
}

const folder =
  values.folder === undefined
    ? mkdtempSync(join(tmpdir(), 'inference-health-peers-'))
    : resolve(values.folder);
mkdirSync(folder, { recursive: true });
const started = { peers: [], frontend: null };
async function cleanUp() {
  await started.frontend?.close();
  await Promise.all(started.peers.map((peer) => peer.kill()));
  if (values.folder === undefined) rmSync(folder, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => cleanUp().finally(() => process.exit(1)));

/** @returns whether all that was tried holds */
async function tryAll() {
  const python = values.python ?? pythonWith(engine, join(folder, 'python'));
  const model = engine.model(folder, python);
  for (const name of ['server-1', 'server-2'])
    started.peers.push(await createPeer(engine, { python, model, folder, name }));
  const { peers } = started;
  // Before its servers, as it happens when all is started at once.
  const frontend = await startFrontend(peers.map(({ url }) => `${engine.kind}+${url}`));
  started.frontend = frontend;
  await Promise.all(peers.map((peer) => peer.start()));
  await frontend.serves(peers.length);
  console.log(
    `two servers behind ${engine.kind}+http; packages: ${engine.packages?.join() ?? values.python}`,
  );
  let failures = 0;
  for (const [name, title, step] of STEPS) {
    if (values.only !== undefined && !values.only.includes(name)) continue;
    const result = await step({ frontend, peers }, engine).then(
      (seen) => ['holds', seen],
      (error) => ['FAILS', error.message],
    );
    if (result[0] === 'FAILS') failures += 1;
    console.log(`${result[0]}  ${name.padEnd(10)} ${title}: ${result[1]}`);
  }
  console.log(failures === 0 ? 'all holds' : `${failures} of ${STEPS.length} do not hold`);
  return failures === 0;
}

try {
  process.exitCode = (await tryAll()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Missing ? error.message : error);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
