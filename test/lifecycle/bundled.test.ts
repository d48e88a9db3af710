import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../helpers/package.js';
import { run } from '../helpers/program.js';

it('code that a bundler has separated from its threads says so, and how to avoid it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bundled-'));
  const entry = join('probe', 'entry.js');
  try {
    cpSync(join(ROOT, 'dist/cjs'), folder, { recursive: true, filter: (path) => !path.endsWith(entry) });
    const program = `require('${folder}').startHealth({ port: 0 }).catch(({ code, message }) => console.log(code, message))`;
    const { stdout, code } = await run([process.execPath, '-e', program]);
    expect(stdout).toMatch(/^ERR_CONFIG_INVALID .* mark inference-health as external in the bundler/);
    expect(code).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
