import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ACTIONS, RECOVERY_ACTIONS } from '../../lib/gpu/actions.js';
import { XIDS } from '../../lib/gpu/catalogue.js';
import { GPU_FINDINGS } from '../../lib/gpu/finding-codes.js';
import { actionTable, findingTable, recoveryTable, xidTable } from '../../scripts/lib/gpu-tables.mjs';
import { tableBelow } from '../docs/markdown.js';
import { ROOT } from '../helpers/package.js';

describe('the documents about GPUs say what the code says', () => {
  it.each([
    ['docs/xid.md', '## The XIDs', xidTable(XIDS)],
    ['docs/xid.md', "## The driver's recovery action", recoveryTable(RECOVERY_ACTIONS)],
    ['docs/gpu.md', '## What cures it', actionTable(ACTIONS)],
    ['docs/gpu.md', '## Findings', findingTable(GPU_FINDINGS)],
  ])('%s, %s', (file, heading, [, rows]) => {
    expect(tableBelow(file, heading)).toEqual(rows);
  });

  it('every finding of the code is tabulated, and no other', () => {
    const folder = join(ROOT, 'lib/gpu');
    const inCode = new Set(
      readdirSync(folder)
        .filter((name) => name !== 'finding-codes.ts')
        .flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/'(gpu\.[a-z_]+)'/g)])
        .map((match) => match[1]!),
    );
    // States of the component, not findings.
    for (const code of ['gpu.starting', 'gpu.released', 'gpu.devices']) inCode.delete(code);
    const tabulated = GPU_FINDINGS.map(({ code }) => code).filter((code) => !code.includes('<'));
    expect([...inCode].sort()).toEqual([...tabulated].sort());
  });
});
