// Compiles the C++ tools of bench/native into build/bench when a source is newer than its program.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

const output = join(root, 'build', 'bench');
const compiler = process.env.CXX ?? 'g++';

const programs = {
  responder: ['responder.cc'],
  loadgen: ['loadgen/main.cc'],
  cputime: ['cputime.cc'],
};

/** @returns {string | null} why the tools cannot be had, or null when they are ready */
export function buildTools() {
  if (spawnSync(compiler, ['--version']).status !== 0) return `${compiler} is not installed`;
  for (const name of Object.keys(programs)) {
    const failure = build(name);
    if (failure !== null) return failure;
  }
  return null;
}

/** Path of a compiled tool. */
export function tool(name) {
  return join(output, name);
}

/** Builds one program; `extra` are sources and flags that only some checkouts have (native/host). */
export function build(name, sources = programs[name], extra = []) {
  mkdirSync(output, { recursive: true });
  const folder = join(root, 'bench', 'native');
  const files = [
    ...sources.map((source) => join(folder, source)),
    ...extra.filter((item) => !item.startsWith('-')),
  ];
  const newest = Math.max(
    ...headers(folder),
    ...headers(join(root, 'native')),
    ...files.map((file) => statSync(file).mtimeMs),
  );
  if (existsSync(tool(name)) && statSync(tool(name)).mtimeMs > newest) return null;
  const flags = extra.filter((item) => item.startsWith('-'));
  const result = spawnSync(
    compiler,
    ['-std=c++20', '-O2', '-Wall', '-Wextra', '-pthread', ...flags, ...files, '-o', tool(name)],
    { encoding: 'utf8' },
  );
  return result.status === 0 ? null : `${name} does not compile:\n${result.stderr}`;
}

function headers(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.h'))
    .map((file) => statSync(join(folder, file)).mtimeMs);
}
