import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const hasCompiler = spawnSync(process.env.CXX ?? 'g++', ['--version']).status === 0;

// The whole proof (`npm run proof -- probes`) takes minutes; here a seeded sample, with a bound that only a probe that
// waits for the main thread can miss: blocks last up to 2 s.
test.runIf(hasCompiler)(
  'no probe waits for a main thread that is blocked, collects garbage and idles in turn',
  { timeout: 60_000 },
  () => {
    const args = [
      'scripts/proof.mjs',
      'probes',
      '--count',
      '4000',
      '--rate',
      '800',
      '--seed',
      '7',
      '--limit-ms',
      '1000',
    ];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout + stderr).toMatch(/holds on http: 4,000 of 4,000/);
    expect(status).toBe(0);
  },
);
