import { expect, it } from 'vitest';
import { runScript } from './command.js';

// The whole proofs (`npm run proof -- fleet`, `-- kills`) take minutes.
it('no stream is lost in rolling restarts, random kills, and with all workers gone for a while', async () => {
  const only = ['rolling', 'survivors', 'all'].flatMap((name) => ['--only', name]);
  const options = ['--engine', 'toy', '--for', '3', '--workers', '3', '--streams', '8'];
  const { code, stdout, stderr } = await runScript(['scripts/proof.mjs', 'fleet', ...only, ...options]);
  expect(stdout + stderr).not.toContain('FAILS');
  expect(stdout.match(/: holds, \d+ s/g)).toHaveLength(3);
  expect(code).toBe(0);
}, 120_000);
