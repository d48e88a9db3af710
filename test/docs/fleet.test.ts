import { expect, it } from 'vitest';
import { FLAG_OPTIONS } from '../../lib/cli/flags.js';
import type { FleetFlag } from '../../lib/cli/fleet-flags.js';
import { FRONTEND_FLAGS } from '../../lib/cli/frontend-flags.js';
import { WORKER_FLAGS } from '../../lib/cli/worker-flags.js';
import { flagName } from '../../lib/config/schema.js';
import type { Outcome } from '../../lib/fleet/types.js';
import { outcomeError } from '../../lib/frontend/client-writer.js';
import { codes, DOCS, readText, tableBelow } from './markdown.js';

/** Where the tables of flags and options are: the command's own page, and those to which its table leads. */
const SHARED: readonly (readonly [page: string, heading: string])[] = [
  ['docs/discovery.md', '## Settings'],
  ['docs/security.md', '# Tokens and TLS'],
  ['docs/events.md', '## Settings'],
];
const COMMANDS = [
  { command: 'worker', flags: WORKER_FLAGS, options: 'lib/worker/options.ts', type: 'WorkerOptions' },
  { command: 'frontend', flags: FRONTEND_FLAGS, options: 'lib/frontend/options.ts', type: 'FrontendOptions' },
] as const;

const cellsOf = (command: string): string[] =>
  [[`docs/${command}.md`, '## Options'] as const, ...SHARED].flatMap(([page, heading]) =>
    tableBelow(page, heading).flat(),
  );
const flagsIn = (text: string): string[] =>
  [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([flag]) => flag);

/** Names of the properties of an exported interface. */
function propertiesOf(file: string, type: string): string[] {
  const [, body = ''] =
    new RegExp(`export interface ${type} \\{\\n([\\s\\S]*?)\\n\\}`).exec(readText(file)) ?? [];
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name!);
}

it.each(COMMANDS)('the tables have every flag of $command, with its variable', ({ command, flags }) => {
  const cells = cellsOf(command);
  const named = cells.flatMap(flagsIn);
  expect(flags.map(({ flag }) => flag).filter((flag) => !named.includes(flag))).toEqual([]);
  const variables = cells.flatMap(codes);
  const own = flags.flatMap(({ variable }: FleetFlag) => variable ?? []);
  expect(own.filter((variable) => !variables.includes(variable))).toEqual([]);
});

it.each(COMMANDS)('the tables have every option of $command', ({ command, options, type }) => {
  const known = propertiesOf(options, type);
  expect(known.length).toBeGreaterThan(8);
  const named = cellsOf(command).flatMap(codes);
  const isNamed = (option: string): boolean =>
    named.some((name) => name === option || name.startsWith(`${option}.`));
  expect(known.filter((option) => !isNamed(option))).toEqual([]);
});

it.each(DOCS)('%s names flags of worker and frontend that exist', (page) => {
  const text = readText(page).replaceAll('\\\n', ' ');
  const health = [...FLAG_OPTIONS.map(({ name }) => flagName(name)), '--help'];
  for (const { command, flags } of COMMANDS) {
    const known = [...flags.map(({ flag }) => flag), ...health];
    const calls = text.matchAll(new RegExp(`inference-health ${command}\\b([^\`\\n#&]*)`, 'g'));
    for (const [, rest = ''] of calls)
      expect(flagsIn(rest).filter((flag) => !known.includes(flag))).toEqual([]);
  }
});

it.each(COMMANDS)(
  'the page of $command names no flag in its table that there is not',
  ({ command, flags }) => {
    const known = [...flags.map(({ flag }) => flag), ...FLAG_OPTIONS.map(({ name }) => flagName(name))];
    const named = tableBelow(`docs/${command}.md`, '## Options').flat().flatMap(flagsIn);
    expect(named.filter((flag) => !known.includes(flag))).toEqual([]);
  },
);

it('docs/errors.md has every way in which a request ends, with its status', () => {
  const [, union = ''] = /export type Outcome =([^;]+);/.exec(readText('lib/fleet/types.ts')) ?? [];
  const outcomes = [...union.matchAll(/'(\w+)'/g)].map(([, name]) => name as Outcome);
  expect(outcomes.length).toBeGreaterThan(10);
  const rows = tableBelow('docs/errors.md', "## Errors of a frontend's API");
  for (const outcome of [...outcomes, 'poison' as const]) {
    if (outcome === 'success') continue;
    const { code = '', status } = outcomeError(outcome, '');
    const row = rows.find(([cell = '']) => codes(cell).includes(code));
    expect([outcome, row?.[1]?.slice(0, 3)]).toEqual([outcome, String(status)]);
  }
});

it('the README leads to every page', () => {
  const links = [...readText('README.md').matchAll(/\]\((docs\/[^)#]+)/g)].map(([, page]) => page!);
  expect(DOCS.filter((page) => page !== 'README.md' && !links.includes(page))).toEqual([]);
});
