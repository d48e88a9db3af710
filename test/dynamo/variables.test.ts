import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DYNAMO_NAMES } from '../../lib/config/dynamo-names.js';
import { DYNAMO_VARIABLES } from '../../lib/config/dynamo-options.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { problem } from './resolving.js';
import { CANARY, ROWS } from './rows.js';

it('covers every variable that is read', () => {
  expect(Object.keys(ROWS).sort()).toEqual([...DYNAMO_NAMES].sort());
  expect(DYNAMO_VARIABLES.map(({ variable }) => variable).filter((name) => !(name in ROWS))).toEqual([]);
});

describe.each(Object.entries(ROWS))('%s', (name, { good, bad, read, beside = {} }) => {
  it.each(good)('%s counts', (text, value) => {
    expect(read(resolveConfig({}, { ...beside, [name]: text }))).toEqual(value);
    expect(read(resolveConfig({}, { ...beside, [name]: ` ${text} ` }))).toEqual(value);
  });

  it.each(bad)('%s is an error that names the variable and the text', (text) => {
    const message = problem({ ...beside, [name]: text });
    expect(message).toContain(name);
    expect(message).toMatch(/expected .*received/);
  });

  it.each(['', ' '])("'%s' is as if it were not set", (text) => {
    expect(resolveConfig({}, { ...beside, [name]: text })).toEqual(resolveConfig({}, beside));
  });
});

it('reads the payload from a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'payload-'));
  try {
    const file = join(folder, 'payload.json');
    writeFileSync(file, '{"prompt":"Test"}\n');
    const environment = { ...CANARY, DYN_HEALTH_CHECK_PAYLOAD: `@${file}` };
    expect(resolveConfig({}, environment).canary?.payload).toEqual({ prompt: 'Test' });
    expect(problem({ ...CANARY, DYN_HEALTH_CHECK_PAYLOAD: `@${folder}` })).toMatch(/regular file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
