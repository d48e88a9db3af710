import { expect, it } from 'vitest';
import { EXIT } from '../../lib/cli/exit-codes.js';
import { firstCodes, readText, tableBelow } from './markdown.js';

it('docs/errors.md has every error code, and no other', () => {
  const [, union = ''] = /export type ErrorCode =([^;]+);/.exec(readText('lib/errors.ts')) ?? [];
  const known = [...union.matchAll(/'(ERR_\w+)'/g)].map(([, code]) => code!);
  expect(known.length).toBeGreaterThan(5);
  expect(firstCodes(tableBelow('docs/errors.md', '# Errors and exit codes')).sort()).toEqual(known.sort());
});

it('docs/errors.md has every exit code that the source has', () => {
  const [, deadline] = /EXIT_DEADLINE = (\d+)/.exec(readText('lib/lifecycle/shutdown.ts')) ?? [];
  const documented = tableBelow('docs/errors.md', '## Exit codes').map(([code]) => Number(code));
  expect([...new Set(documented)].sort((a, b) => a - b)).toEqual(
    [...Object.values(EXIT), Number(deadline)].sort((a, b) => a - b),
  );
});
