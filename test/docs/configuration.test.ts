import { expect, it } from 'vitest';
import { resolveConfig } from '../../lib/config/resolve.js';
import { OBJECT_OPTIONS } from '../../lib/config/schema.js';
import { firstCodes, readText, tableBelow } from './markdown.js';

const DOC = 'docs/configuration.md';

/** The names that the library lists when it meets one that it does not know. */
function knownTo(options: object): string[] {
  try {
    resolveConfig(options);
  } catch (error) {
    return /known: (.*)$/
      .exec((error as Error).message)![1]!
      .split(', ')
      .sort();
  }
  throw new Error('accepted');
}

it('the table of objects has exactly those options', () => {
  const table = tableBelow(DOC, '## Options').filter((row) => row.length === 2);
  expect(
    firstCodes(table)
      .filter((name) => OBJECT_OPTIONS.includes(name))
      .sort(),
  ).toEqual([...OBJECT_OPTIONS].sort());
  expect(table).toHaveLength(OBJECT_OPTIONS.length);
});

it('the table of listener keys is complete', () => {
  const table = tableBelow(DOC, '## Listeners');
  expect(table.map(([cell]) => cell!.replaceAll('`', '')).sort()).toEqual(
    knownTo({ listeners: [{ port: 1, unknownKey: 1 }] }),
  );
});

it('the table of shutdown keys is complete, with its defaults', () => {
  expect(
    tableBelow(DOC, '## Shutdown')
      .map(([cell]) => cell!.replaceAll('`', ''))
      .sort(),
  ).toEqual(knownTo({ shutdown: { unknownKey: 1 } }));
  const { shutdown, listeners } = resolveConfig({ shutdown: true, listeners: [{ path: '/x' }] });
  const [signals, grace] = tableBelow(DOC, '## Shutdown');
  expect(signals![1]).toBe(`\`['${shutdown!.signals.join("', '")}']\``);
  expect(grace![1]).toBe(String(shutdown!.gracePeriodMs));
  expect(listeners[0]).toMatchObject({ mode: 0o600, details: 'full' });
});

it('the message that it quotes is the real one', () => {
  const [, quoted = ''] = /^inference-health serve: (unknown environment.*)$/m.exec(readText(DOC)) ?? [];
  expect(() => resolveConfig({}, { INFERENCE_HEALTH_PROT: '8080' })).toThrow(quoted);
});
