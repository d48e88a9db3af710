import { execFile } from 'node:child_process';
import { copyFileSync, symlinkSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { beyondFloor, readNeeds } from '../../scripts/lib/elf.mjs';
import { ROOT } from '../helpers/package.js';
import { ARM64_NODE } from '../nodes/binaries.js';
import { extract, pack } from './packed.js';

describe.each([
  ['inference-health.node', 'x64', 'Advanced Micro Devices X86-64'],
  ['inference-health.node', 'arm64', 'AArch64'],
  ['inference-health-gpu', 'x64', 'Advanced Micro Devices X86-64'],
  ['inference-health-gpu', 'arm64', 'AArch64'],
])('%s for linux-%s', (name, arch, machine) => {
  const needs = readNeeds(join(ROOT, `prebuilds/linux-${arch}/${name}`));

  it('is one for this machine', () => {
    expect(needs.machine).toBe(machine);
  });

  it('asks for glibc 2.34 or older, and for nothing of libstdc++', () => {
    expect(needs.versions).toContain(arch === 'x64' ? 'GLIBC_2.2.5' : 'GLIBC_2.17');
    expect(beyondFloor(needs.versions)).toEqual([]);
    expect(
      needs.libraries.filter((name) => !/^(libc|libm|libgcc_s|ld-linux-.*)\.so\.\d+$/.test(name)),
    ).toEqual([]);
  });
});

it('tells versions beyond the floor from others', () => {
  expect(beyondFloor(['GLIBC_2.4', 'GLIBC_2.34', 'GCC_3.0'])).toEqual([]);
  expect(beyondFloor(['GLIBC_2.35', 'GLIBC_2.100', 'GLIBCXX_3.4', 'CXXABI_1.3'])).toHaveLength(4);
});

it('the arm64 binary samples this host from a package that serves health, under qemu', async () => {
  const packed = pack();
  try {
    const folder = packed.folder('arm64');
    extract(packed.tarball, folder);
    // The dependencies are JavaScript; what there is for x64 cannot be loaded and must not be missed.
    symlinkSync(join(ROOT, 'node_modules/prom-client'), join(folder, 'node_modules/prom-client'));
    for (const file of ['consumer.cjs', 'report.cjs'])
      copyFileSync(join(dirname(fileURLToPath(import.meta.url)), file), join(folder, file));
    const args = ['-L', '/usr/aarch64-linux-gnu', ARM64_NODE, 'consumer.cjs'];
    const { stdout } = await promisify(execFile)('qemu-aarch64', args, { cwd: folder, timeout: 90_000 });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ whileLoading: 503, httpEngine: 'http', native: true });
    expect(report.totalBytes / totalmem()).toBeCloseTo(1, 3);
  } finally {
    packed.remove();
  }
}, 120_000);
