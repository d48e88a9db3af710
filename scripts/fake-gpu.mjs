// npm run fake-gpu -- --gpus 2 -- node server.js: runs a program with a fake NVIDIA driver, steered while it runs.
// docs/gpu-testing.md shows how; nothing of this is in the npm package.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { AGES } from './lib/fake-gpu/build.mjs';
import { help, runCommand } from './lib/fake-gpu/commands.mjs';
import { createFakeGpu, openFakeGpu } from './lib/fake-gpu/fake-gpu.mjs';

const USAGE = `Runs a program with a fake NVIDIA driver:

  npm run fake-gpu -- [--gpus N] [--driver ${AGES.join('|')}] [--mig N] -- PROGRAM [ARGUMENT…]

and steers it, from its standard input, or from another terminal (the newest one, or the one in FOLDER):

  npm run fake-gpu -- [--at FOLDER] COMMAND [ARGUMENT…]

Commands:
${help()}
`;
const LATEST = join(tmpdir(), `fake-gpu-latest-${userInfo().uid}`);

const separator = process.argv.indexOf('--', 2);
const own = process.argv.slice(2, separator < 0 ? undefined : separator);
const program = separator < 0 ? [] : process.argv.slice(separator + 1);

try {
  const { values, positionals } = parseArgs({
    args: own,
    allowPositionals: true,
    options: {
      gpus: { type: 'string', default: '1' },
      driver: { type: 'string', default: '570' },
      mig: { type: 'string', default: '0' },
      at: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || (program.length === 0 && positionals.length === 0)) console.log(USAGE);
  else if (program.length > 0) runProgram(values, program);
  else steer(values.at ?? latestFolder(), positionals);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 64;
}

function steer(folder, words) {
  const fake = openFakeGpu(folder);
  console.log(runCommand(fake, words));
  fake.close();
}

function latestFolder() {
  try {
    const folder = readlinkSync(LATEST);
    if (existsSync(join(folder, 'control'))) return folder;
  } catch {}
  throw new Error(
    'no program runs with a fake driver; start one: npm run fake-gpu -- --gpus 2 -- node server.js',
  );
}

function runProgram(values, [command, ...args]) {
  const count = Number(values.gpus);
  const mig = Number(values.mig);
  if (!Number.isInteger(count) || count < 0 || count > 16)
    throw new Error(`--gpus must be 0 to 16, not '${values.gpus}'`);
  if (!Number.isInteger(mig) || mig < 0 || mig > 7)
    throw new Error(`--mig must be 0 to 7, not '${values.mig}'`);
  const fake = createFakeGpu({ gpus: Array.from({ length: count }, () => ({ mig })), driver: values.driver });
  if (isLink(LATEST)) rmSync(LATEST);
  symlinkSync(fake.folder, LATEST);
  const isInteractive = process.stdin.isTTY === true;
  console.error(
    `fake driver ${values.driver} with ${count} GPUs in ${fake.folder}; kernel log ${fake.kmsg.path}\n` +
      `commands on standard input${isInteractive ? ' (help lists them)' : ''}, or: npm run fake-gpu -- --at ${fake.folder} xid 0 79`,
  );

  const libraries = [fake.folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  const child = spawn(command, args, {
    // Standard input carries our commands.
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      INFERENCE_HEALTH_GPU_KMSG: fake.kmsg.path,
      ...process.env,
      LD_LIBRARY_PATH: libraries,
      FAKE_NVML_CONTROL: fake.control,
      FAKE_KMSG: fake.kmsg.path,
    },
  });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0] === undefined) return;
    try {
      console.error(runCommand(fake, words));
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both; a kill of ours alone is passed on.
      if (signal !== 'SIGINT' || !isInteractive) child.kill(signal);
    });
  child.on('error', (error) => finish(`cannot start ${command}: ${error.message}`, 127));
  child.on('exit', (code, signal) => finish(signal === null ? null : `ended by ${signal}`, code ?? 1));

  function finish(message, code) {
    if (message !== null) console.error(message);
    lines.close();
    process.stdin.destroy();
    if (isLink(LATEST) && readlinkSync(LATEST) === fake.folder) rmSync(LATEST);
    fake.destroy();
    process.exitCode = code;
  }
}

function isLink(path) {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
