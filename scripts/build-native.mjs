// Builds build/Release/inference_health.node and the helper process beside it, incrementally and without the network. Where it cannot be built (another
// system, no compiler) it says why in one message and succeeds: the JavaScript fallback then does the work.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lib/lock.mjs';
import { newest } from './lib/newest.mjs';
import { writeNodeHeaders } from './lib/node-headers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const addon = join(root, 'build/Release/inference_health.node');
const helper = join(root, 'build/Release/inference-health-gpu');

function isFresh() {
  if (!existsSync(addon) || !existsSync(helper)) return false;
  const inputs = ['native', 'binding.gyp', 'scripts/build-native.mjs'];
  return statSync(addon).mtimeMs >= Math.max(...inputs.map((path) => newest(join(root, path), ['test'])));
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

// The running Node's own headers come first, those of a package otherwise. Never npm's `nodedir`, never a download.
function nodeDirectory() {
  const beside = join(dirname(process.execPath), '..');
  const own = join(beside, 'include/node');
  if (['node_api.h', 'common.gypi', 'config.gypi'].every((name) => existsSync(join(own, name))))
    return beside;

  return writeNodeHeaders(join(root, 'build/nodedir'));
}

function nodeGyp() {
  console.error('Compiling the native addon');
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
  const failure = withLock(join(root, 'build/.lock'), () => (isFresh() ? null : nodeGyp()));
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
