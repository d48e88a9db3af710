import { expect, it } from 'vitest';
import { runScript } from './command.js';

it('the demo shows a stream that outlives a kill, a freeze and a drain, and ends by itself', {
  timeout: 120_000,
}, async () => {
  const command = ['scripts/demo.mjs', '--engine', 'toy', '--seconds', '2', '--etcd', 'no'];
  const { code, stdout, stderr } = await runScript(command);
  expect(stdout).toMatch(/the stream leaves worker-\d \(reset\) behind token \d+/);
  expect(stdout).toMatch(/the stream goes on at worker-\d/);
  const summary = stdout.slice(stdout.indexOf('--- summary ---'));
  expect(summary.match(/whole, the same text, moved [1-9]/g)).toHaveLength(3);
  expect(summary).toContain('every stream was whole');
  expect([code, stderr]).toEqual([0, '']);
});
