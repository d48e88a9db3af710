import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../helpers/package.js';

it.each([
  ['prebuild', ['false']],
  ['build', ['true', 'built']],
  ['both', ['false', 'true', 'built']],
])('npm run %s is told from the other meanings of prebuild', (script, printed) => {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-hook-'));
  try {
    const module = JSON.stringify(join(ROOT, 'scripts/lib/npm-hook.mjs'));
    writeFileSync(
      join(folder, 'hook.mjs'),
      `import { isHookOf } from ${module}; console.log(isHookOf('build'));`,
    );
    const scripts = {
      prebuild: 'node hook.mjs',
      build: 'echo built',
      both: 'npm run --silent prebuild && npm run --silent build',
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
    const output = execFileSync('npm', ['run', '--silent', script], { cwd: folder, encoding: 'utf8' });
    expect(output.trim().split('\n')).toEqual(printed);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
