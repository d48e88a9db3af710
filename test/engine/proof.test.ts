import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

// The whole proof (`npm run proof -- watchdog`) simulates ten days. This seed injects each kind of fault within two.
test('two simulated days of pauses, long prompts and slow clients restart nothing that works, and every fault is found', () => {
  const args = ['scripts/proof.mjs', 'watchdog', '--days', '2', '--seed', '1'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  for (const kind of ['check', 'compute', 'exit', 'idle', 'pipe', 'spin', 'stop'])
    expect(stdout + stderr).toMatch(new RegExp(`^ +${kind} +[1-9]`, 'm'));
  expect(stdout).toMatch(/ 0 without one; [\s\S]*holds/);
  expect(status).toBe(0);
});
