// `npm run prebuild`: prebuilds/linux-x64 and prebuilds/linux-arm64, the addon and the helper process that the package ships.
// Both are compiled by prebuildify from one list of sources, in a folder of its own, so that a local build is left alone; nothing is downloaded.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beyondFloor, GLIBC_FLOOR, readNeeds } from './lib/elf.mjs';
import { withLock } from './lib/lock.mjs';
import { newest } from './lib/newest.mjs';
import { writeNodeHeaders } from './lib/node-headers.mjs';
import { isHookOf } from './lib/npm-hook.mjs';
import { aptGet, isInstalled } from './lib/tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inputs = ['native', 'binding.gyp', 'scripts/prebuild.mjs', 'scripts/lib/node-headers.mjs'];
const targets = [
  { arch: 'x64', prefix: 'x86_64-linux-gnu-', debian: 'g++-x86-64-linux-gnu' },
  { arch: 'arm64', prefix: 'aarch64-linux-gnu-', debian: 'g++-aarch64-linux-gnu' },
];

// `npm run build` makes a local build in seconds and needs no cross compiler.
if (!isHookOf('build')) process.exitCode = targets.map(prebuild).every(Boolean) ? 0 : 1;

/** True when the binary exists and is up to date. */
function prebuild(target) {
  const folder = `prebuilds/linux-${target.arch}`;
  const binaries = ['inference-health.node', 'inference-health-gpu'].map((name) => join(root, folder, name));
  if (isFresh(binaries)) return true;
  const prefix = target.arch === process.arch ? '' : target.prefix;
  const compiler = `${prefix}g++`;
  if (process.platform !== 'linux' || !isInstalled(compiler)) {
    const name = prefix === '' ? 'g++' : target.debian;
    console.error(`${folder} was not built: ${compiler} is missing. Debian and Ubuntu: ${aptGet([name])}`);
    return false;
  }
  const failure = withLock(join(root, `build-prebuild/${target.arch}.lock`), () =>
    isFresh(binaries) ? null : compile(target, prefix, binaries),
  );
  if (failure !== null) console.error(`${folder} was not built:\n${failure}`);
  else {
    const sizes = binaries.map((path) => `${basename(path)} ${(statSync(path).size / 1024).toFixed(0)} KiB`);
    console.log(`${folder}: ${sizes.join(', ')}`);
  }
  return failure === null;
}

function isFresh(binaries) {
  if (!binaries.every((path) => existsSync(path))) return false;
  const oldest = Math.min(...binaries.map((path) => statSync(path).mtimeMs));
  return oldest >= Math.max(...inputs.map((path) => newest(join(root, path), ['test'])));
}

function compile({ arch }, prefix, binaries) {
  console.error(`Compiling the native addon for linux-${arch}`);
  const started = new Date();
  const stage = join(root, 'build-prebuild', arch);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  copyFileSync(join(root, 'binding.gyp'), join(stage, 'binding.gyp'));
  symlinkSync(join(root, 'native'), join(stage, 'native'));

  const headers = writeNodeHeaders(join(stage, 'nodedir'));
  const flags = ['--napi', '--strip', '--name=inference-health', `--arch=${arch}`, '--platform=linux'];
  const result = spawnSync(
    process.execPath,
    [
      createRequire(import.meta.url).resolve('prebuildify/bin.js'),
      ...flags,
      `--strip-bin=${prefix}strip`,
      `--out=${root}`,
      `--cache=${join(stage, 'cache')}`,
      `--node-gyp=${join(root, 'node_modules/.bin/node-gyp')}`,
    ],
    {
      cwd: stage,
      encoding: 'utf8',
      env: {
        ...process.env,
        PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
        CC: `${prefix}gcc`,
        CXX: `${prefix}g++`,
        AR: `${prefix}ar`,
        // Both names: npm sets the first one itself where somebody has configured it.
        npm_config_nodedir: headers,
        npm_package_config_node_gyp_nodedir: headers,
        npm_package_config_node_gyp_jobs: String(Math.min(4, availableParallelism())),
      },
    },
  );
  if (result.status !== 0) return `${result.stdout}${result.stderr}`;
  // prebuildify takes addons only. Removed first: a running helper's file cannot be written.
  const [, helper] = binaries;
  rmSync(helper, { force: true });
  const stripped = spawnSync(
    `${prefix}strip`,
    ['-o', helper, join(stage, 'build/Release', basename(helper))],
    { encoding: 'utf8' },
  );
  if (stripped.status !== 0) return stripped.stderr;
  chmodSync(helper, 0o755);
  for (const binary of binaries) {
    const beyond = beyondFloor(readNeeds(binary).versions);
    if (beyond.length > 0) {
      rmSync(binary);
      return `${basename(binary)} needs ${beyond.join(', ')}; the floor is glibc ${GLIBC_FLOOR} and no libstdc++.`;
    }
    utimesSync(binary, started, started);
  }
  return null;
}
