// Builds the fake libnvidia-ml.so.1 on demand, one library for each driver age.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newest } from '../newest.mjs';
import { SOURCES } from './layout.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Driver ages: the value that the symbols are chosen by, and what the driver calls itself. */
export const DRIVERS = {
  470: { define: 470000, version: '470.256.02', cuda: 11040 },
  535.43: { define: 535043, version: '535.43.02', cuda: 12020 },
  535.104: { define: 535104, version: '535.104.05', cuda: 12020 },
  550: { define: 550000, version: '550.127.05', cuda: 12040 },
  570: { define: 570000, version: '570.133.20', cuda: 12080 },
  610: { define: 610000, version: '610.57.04', cuda: 13030 },
};

/** Oldest first. */
export const AGES = Object.entries(DRIVERS)
  .sort(([, left], [, right]) => left.define - right.define)
  .map(([age]) => age);

/** @param {string} output @returns {boolean} */
function isCurrent(output) {
  try {
    return statSync(output).mtimeMs >= newest(SOURCES);
  } catch {
    return false;
  }
}

/** @param {string} output @param {string[]} args */
function compile(output, args) {
  const compiler = process.env.CC ?? 'cc';
  mkdirSync(join(output, '..'), { recursive: true });
  // Under a name of its own first: test processes that build at the same time must not see half a file.
  const temporary = `${output}.${process.pid}`;
  const { status, stderr, error } = spawnSync(compiler, [...args, '-o', temporary], { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(`${compiler} could not build ${output}: ${error?.message ?? stderr}`);
  }
  renameSync(temporary, output);
}

/**
 * Path of the library that passes for a driver, built if its sources are newer.
 * @param {keyof typeof DRIVERS | string} driver
 */
export function buildLibrary(driver) {
  const age = DRIVERS[/** @type {keyof typeof DRIVERS} */ (driver)];
  if (age === undefined) throw new Error(`driver must be one of ${AGES.join(', ')}, not ${driver}`);
  const output = join(ROOT, 'build-fake-nvml', String(driver), 'libnvidia-ml.so.1');
  if (isCurrent(output)) return output;
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
  compile(output, [
    ...['-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-fPIC', '-shared', '-fvisibility=hidden', '-pthread'],
    ...[`-DFAKE_DRIVER=${age.define}`, '-Wl,-soname,libnvidia-ml.so.1', '-Wl,-z,defs'],
    ...sources.map((name) => join(SOURCES, name)),
    '-ldl',
  ]);
  return output;
}

/** Path of a small program beside the fake, built if needed. @param {'packet_mode' | 'call'} name */
export function buildTool(name) {
  const output = join(ROOT, 'build-fake-nvml', name);
  if (!isCurrent(output)) {
    const source = join(SOURCES, 'client', `${name}.c`);
    compile(output, ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-pthread', source, '-ldl']);
  }
  return output;
}
