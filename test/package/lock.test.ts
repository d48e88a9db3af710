import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { missingEntries } from '../../scripts/complete-lock.mjs';
import { ROOT } from '../helpers/package.js';

it.each([
  'package-lock.json',
  'test/nodes/package-lock.json',
  'bench/peers/package-lock.json',
  'examples/llama/package-lock.json',
])('%s has every optional package, so that npm ci takes it (npm run complete-lock)', (file) => {
  const lock = JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
  expect(Object.keys(missingEntries(lock))).toEqual([]);
});

it('tells what a lock file lacks, with the platform that npm must not install it on', () => {
  const names = { 'tool-linux-x64-musl': '1.0.0', 'tool-mac-arm64-metal': '1.0.0' };
  const lock = { packages: { 'node_modules/tool': { dev: true, optionalDependencies: names } } };
  expect(missingEntries(lock)).toEqual({
    'node_modules/tool-linux-x64-musl': {
      version: '1.0.0',
      cpu: ['x64'],
      os: ['linux'],
      libc: ['musl'],
      dev: true,
      optional: true,
    },
    'node_modules/tool-mac-arm64-metal': {
      version: '1.0.0',
      cpu: ['arm64'],
      os: ['darwin'],
      dev: true,
      optional: true,
    },
  });
});
