// The small C programs of the GPU tests, compiled when they are needed. No CUDA toolkit: they load the driver themselves.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** @param {'cuda_fault' | 'soak'} name */
export function buildProgram(name) {
  const folder = join(ROOT, 'build-gpu-test');
  const output = join(folder, name);
  mkdirSync(folder, { recursive: true });
  const compiler = process.env.CC ?? 'cc';
  const source = join(ROOT, 'native/test/real_gpu', `${name}.c`);
  const { status, stderr, error } = spawnSync(
    compiler,
    ['-std=gnu11', '-O1', '-Wall', '-Wextra', source, '-o', output, '-ldl'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${compiler} could not build ${name}: ${error?.message ?? stderr}`);
  return output;
}
