// `npm test` first: everything that the tests run against. Each step costs a few stat calls when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireTools } from './lib/tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

// `npm run demo` needs no more than the build and the engine.
const isForTests = !process.argv.includes('--engine');
if (isForTests) requireTools('test');
run(process.execPath, ['scripts/build.mjs']);
if (isForTests) {
  run(process.execPath, ['scripts/prebuild.mjs']);
  // The other Node versions, and one for arm64, are a dependency of the tests alone: 700 MB that `npm ci` need not bring.
  // `force`, because npm refuses a package for another architecture, even one for qemu.
  installPackages(join(root, 'test/nodes'), ['--force']);
}
// llama.cpp, 85 MB. Its optional packages would be GPU builds of several hundred.
installPackages(join(root, 'examples/llama'), ['--omit=optional']);

function installPackages(folder, flags) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  const installed = join(folder, 'node_modules/.package-lock.json');
  const wanted = join(folder, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  const npm = process.env.npm_execpath;
  const args = ['ci', ...flags, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm?.endsWith('.js')) run(process.execPath, [npm, ...args], folder);
  else run('npm', args, folder);
}

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) return;
  console.error(`${[command, ...args].join(' ')} failed${error === undefined ? '' : `: ${error.message}`}`);
  process.exit(status ?? 1);
}
