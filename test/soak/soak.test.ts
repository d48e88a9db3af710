import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../helpers/package.js';

it.each(['uws', 'http'])(
  'fifty starts and closes leave nothing behind on %s',
  { timeout: 120_000 },
  async (engine) => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(ROOT, 'test/soak/soak.mjs'),
      '50',
      engine,
    ]);
    expect(stdout).toMatch(/health : fds (\d+) -> \1, threads (\d+) -> \2,/);
  },
);
