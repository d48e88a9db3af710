// Builds dist/: CommonJS code and types by tsc, and thin ESM entry points that re-export it, so that an application
// which mixes `import` and `require` still has one instance of the library's state.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = join(root, 'dist', '.stamp');

function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

const inputs = ['lib', 'tsconfig.json', 'tsconfig.cjs.json', 'package.json', 'scripts/build-ts.mjs'];
const inputTime = Math.max(...inputs.map((path) => newest(join(root, path))));
if (!existsSync(stamp) || statSync(stamp).mtimeMs < inputTime) build();

function build() {
  const started = new Date();
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  for (const project of ['tsconfig.cjs.json', 'tsconfig.json']) {
    const result = spawnSync(process.execPath, [tsc, '-p', project], { cwd: root, stdio: 'inherit' });
    if (result.status !== 0) process.exit(result.status ?? 1);
  }

  mkdirSync(join(root, 'dist/esm'), { recursive: true });
  writeFileSync(join(root, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') continue;
    const file = target.require.default;
    const names = Object.keys(subpath === './register' ? {} : createRequire(import.meta.url)(join(root, file)));
    const specifier = file.replace('./dist/', '../');
    const body = names.length > 0 ? `export { ${names.filter((name) => name !== '__esModule').sort().join(', ')} } from '${specifier}';\n` : `import '${specifier}';\n`;
    writeFileSync(join(root, target.import.default), body);
  }
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
}
