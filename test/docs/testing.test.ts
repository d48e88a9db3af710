import { expect, it } from 'vitest';
import { FAULT_NAMES } from '../../lib/testing/types.js';
import { ROOT } from '../helpers/package.js';
import { run } from '../helpers/program.js';
import { blocks, codes, tableBelow } from './markdown.js';

const [first = '', second = ''] = blocks('docs/testing.md', 'js');

it('the first example of docs/testing.md runs as it stands, and holds', { timeout: 60_000 }, async () => {
  // The name of the package leads to the built one from within it.
  const { code, stdout, stderr } = await run([process.execPath, '--input-type=module', '-e', first], {
    cwd: ROOT,
  });
  expect(stderr).toBe('');
  expect(stdout).toContain('holds  failed 0, at most 0');
  expect(code).toBe(0);
});

it('its second one too', async () => {
  const { code, stderr } = await run([process.execPath, '--input-type=module', '-e', second], { cwd: ROOT });
  expect([code, stderr]).toEqual([0, '']);
});

it('has every fault', () => {
  const listed = tableBelow('docs/testing.md', '## The faults').flatMap(([names = '']) => codes(names));
  expect(listed.sort()).toEqual([...FAULT_NAMES].sort());
});
