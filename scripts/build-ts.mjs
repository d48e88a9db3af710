// Builds dist/: CommonJS code and types by tsc, and for `import` thin entry points over them, so that an application which
// mixes `import` and `require` has one instance of the library's state and one identity of its types.
import { spawnSync } from 'node:child_process';
import {
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
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lib/lock.mjs';
import { newest } from './lib/newest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const stamp = join(root, 'dist/.stamp');

function isFresh() {
  if (!existsSync(stamp)) return false;
  const inputs = ['lib', 'tsconfig.json', 'tsconfig.cjs.json', 'package.json', 'scripts/build-ts.mjs'];
  return statSync(stamp).mtimeMs >= Math.max(...inputs.map((path) => newest(join(root, path))));
}

function compile() {
  console.error('Compiling TypeScript');
  const started = new Date();
  const tsc = require.resolve('typescript/lib/tsc.js');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.cjs.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) return status ?? 1;

  const cjs = join(root, 'dist/cjs');
  const marker = join(cjs, 'package.json');
  writeFileSync(marker, '{ "type": "commonjs" }\n');
  removeOthers(cjs, (file) => file === marker || existsSync(sourceOf(file)));

  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.entries(exports).filter(([, target]) => typeof target === 'object');
  const written = entries.flatMap(([subpath, target]) => writeEsmEntry(subpath, target));
  removeOthers(join(root, 'dist/esm'), (file) => written.includes(file));
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
  return 0;
}

/** tsc leaves the output of a source that was deleted or renamed; it must not reach the package. */
function removeOthers(folder, isWanted) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !isWanted(file)) rmSync(file);
  }
}

function sourceOf(output) {
  return join(root, 'lib', relative(join(root, 'dist/cjs'), output)).replace(/(\.d\.ts|\.js)$/, '.ts');
}

/** Names are written out, because bundlers do not see through `export *` of a CommonJS file; types need no such help. */
function writeEsmEntry(subpath, target) {
  const code = join(root, target.import.default);
  const types = join(root, target.import.types);
  const source = relative(dirname(code), join(root, target.require.default));
  // `register` starts the service when it is loaded and exports nothing.
  const names = subpath === './register' ? [] : Object.keys(require(join(root, target.require.default)));
  mkdirSync(dirname(code), { recursive: true });
  writeFileSync(
    code,
    names.length > 0 ? `export { ${names.sort().join(', ')} } from '${source}';\n` : `import '${source}';\n`,
  );
  writeFileSync(types, names.length > 0 ? `export * from '${source}';\n` : 'export {};\n');
  return [code, types];
}

if (!isFresh()) {
  const status = withLock(join(root, 'dist/.lock'), () => (isFresh() ? 0 : compile()));
  if (status !== 0) process.exit(status);
}
