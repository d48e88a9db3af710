import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const hasCompiler = spawnSync(process.env.CXX ?? 'g++', ['--version']).status === 0;

// The whole proof (`npm run proof -- probes`) takes minutes. Seed 4 blocks for 1.9 s in the second second, so a probe that
// waits for the main thread is over the bound; one that waits for a busy machine is far below it.
test.runIf(hasCompiler)(
  'no probe waits for a main thread that is blocked, collects garbage and idles in turn',
  { timeout: 120_000 },
  () => {
    const options = { count: '450', rate: '100', seed: '4', 'limit-ms': '1500' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/proof.mjs', 'probes', ...args], {
      encoding: 'utf8',
    });
    expect(stdout + stderr).toMatch(/holds on http: 450 of 450/);
    expect(status).toBe(0);
  },
);

function prove(name: string, options: Record<string, string>): string {
  const args = Object.entries(options).flatMap(([option, value]) => [`--${option}`, value]);
  const { stdout, stderr } = spawnSync(process.execPath, ['scripts/proof.mjs', name, ...args], {
    encoding: 'utf8',
  });
  return stdout + stderr;
}

// Times are left to the whole proofs, on a machine that has nothing else to do.
// Slow workers: a machine that does much else at the same time must be able to ask for more than they can give.
test('a frontend at many times its load fails nobody, and tells everybody it refuses when to come back', {
  timeout: 120_000,
}, () => {
  const output = prove('overload', { for: '3', tokens: '16', step: '100', load: '6', seed: '5' });
  expect(output).toMatch(/holds {2}none failed/);
  expect(output).toMatch(/holds {2}\d+ refused, each with Retry-After/);
});

test('requests whose clients leave at random moments leave nothing behind', { timeout: 120_000 }, () => {
  const output = prove('cancels', { requests: '600', clients: '30', seed: '3' });
  for (const what of ['gauges', 'running and waiting', 'none failed', 'every engine was told'])
    expect(output).toContain(`holds  ${what}`);
});
