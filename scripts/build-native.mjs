// Builds build/Release/inference_health.node, incrementally and without the network. Where it cannot be built (another
// system, no compiler) it says why in one message and succeeds: the JavaScript fallback then does the work.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const addon = join(root, 'build/Release/inference_health.node');

function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(
    info.mtimeMs,
    ...readdirSync(path).map((name) => (name === 'test' ? 0 : newest(join(path, name)))),
  );
}

function isFresh() {
  if (!existsSync(addon)) return false;
  const inputs = ['native', 'binding.gyp', 'scripts/build-native.mjs'];
  return statSync(addon).mtimeMs >= Math.max(...inputs.map((path) => newest(join(root, path))));
}

function unavailable(lines) {
  console.warn(
    ['The native addon was not built; inference-health will use its JavaScript fallback.', ...lines].join(
      '\n  ',
    ),
  );
}

function findOnPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.some((name) => name && folders.some((folder) => existsSync(join(folder, name))));
}

function missingTools() {
  const { CXX, PYTHON } = process.env;
  const tools = [
    ['a C++20 compiler (g++ or clang++)', CXX !== undefined || findOnPath(['g++', 'c++', 'clang++'])],
    ['make', findOnPath(['make', 'gmake'])],
    ['python3', PYTHON !== undefined || findOnPath(['python3', 'python'])],
  ];
  return tools.filter(([, found]) => !found).map(([name]) => name);
}

function compilesCpp20() {
  const compiler = process.env.CXX ?? 'g++';
  const input = '#include <concepts>\n#include <span>\nstd::span<const int> none;\n';
  return (
    spawnSync(compiler, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], {
      input,
      shell: compiler.includes(' '),
    }).status === 0
  );
}

// node-gyp wants a folder with include/node. The running Node's own comes first; the headers of Node-API, which is all
// that the addon includes, come from a package otherwise. Never npm's `nodedir`, never a download.
function nodeDirectory() {
  const beside = join(dirname(process.execPath), '..');
  const own = join(beside, 'include/node');
  if (['node_api.h', 'common.gypi', 'config.gypi'].every((name) => existsSync(join(own, name))))
    return beside;

  const shim = join(root, 'build/nodedir');
  const include = join(shim, 'include/node');
  mkdirSync(include, { recursive: true });
  const headers = require('node-api-headers').include_dir;
  for (const name of readdirSync(headers)) copyFileSync(join(headers, name), join(include, name));
  writeFileSync(
    join(include, 'config.gypi'),
    JSON.stringify({ variables: process.config.variables, target_defaults: {} }),
  );
  writeFileSync(join(include, 'common.gypi'), JSON.stringify(commonGypi(), null, 2));
  return shim;
}

function commonGypi() {
  return {
    variables: { 'visibility%': 'hidden', 'openssl_fips%': '' },
    target_defaults: {
      default_configuration: 'Release',
      cflags: ['-pthread', '-Wall', '-Wextra', '-Wno-unused-parameter'],
      cflags_cc: ['-fno-rtti', '-fno-exceptions'],
      ldflags: ['-pthread'],
      configurations: {
        Release: { cflags: ['-O3', '-fno-omit-frame-pointer'] },
        Debug: { cflags: ['-g', '-O0'] },
      },
      target_conditions: [["_type=='loadable_module'", { cflags: ['-fPIC'] }]],
    },
  };
}

// Two builds in one folder (two terminals, a test beside a build) would write over each other.
function withLock(action) {
  const lock = join(root, 'build/.lock');
  mkdirSync(join(root, 'build'), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!isAlive(lock)) rmSync(lock, { force: true });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
  try {
    return action();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAlive(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // An empty file is a lock whose owner is just writing its number.
    if (pid === 0) return Date.now() - statSync(lock).mtimeMs < 1000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function nodeGyp() {
  const started = new Date();
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_.*nodedir$/i.test(name)),
  );
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const jobs = String(Math.min(4, availableParallelism()));
  // `configure` is needed only once and whenever its inputs change; make alone is several times faster.
  const configured = join(root, 'build/Makefile');
  const inputs = ['binding.gyp', 'native/sources.txt', 'scripts/build-native.mjs'].map((path) =>
    newest(join(root, path)),
  );
  const steps =
    existsSync(configured) && statSync(configured).mtimeMs >= Math.max(...inputs)
      ? ['build']
      : ['configure', 'build'];
  for (const step of steps) {
    const result = spawnSync(
      process.execPath,
      [gyp, step, `--nodedir=${nodeDirectory()}`, `--jobs=${jobs}`, '--loglevel=error'],
      {
        cwd: root,
        env: { ...environment, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` },
        encoding: 'utf8',
      },
    );
    const output = `${result.stdout}${result.stderr}`;
    if (result.status !== 0) return output || String(result.error);
    if (process.env.VERBOSE || /warning:/.test(output)) process.stderr.write(output);
  }
  // make leaves the addon alone when an input changed without effect; the stamp says that it is up to date.
  utimesSync(addon, started, started);
  return null;
}

function build() {
  if (process.platform !== 'linux') {
    return unavailable([`The addon exists for Linux only; this is ${process.platform}.`]);
  }
  const missing = missingTools();
  if (missing.length > 0) {
    return unavailable([
      `Missing: ${missing.join(', ')}.`,
      'Debian and Ubuntu: apt-get install -y --no-install-recommends g++ make python3',
      'Then: npm run build',
    ]);
  }
  const failure = withLock(() => (isFresh() ? null : nodeGyp()));
  if (failure === null) return;
  if (!compilesCpp20()) {
    return unavailable([
      'The C++ compiler does not compile C++20 (g++ 11 or clang 14 is enough), or its standard library is missing.',
      'Debian and Ubuntu: apt-get install -y --no-install-recommends g++',
    ]);
  }
  // With the tools there a failure is a defect in the sources: hiding it would hide the addon from its own tests.
  process.stderr.write(failure);
  process.exitCode = 1;
}

if (!isFresh()) build();
