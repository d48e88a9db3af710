// npm run docs: writes the tables of docs/ that come from the code; with --check it only says whether they are up to date.
// A table stands between <!-- NAME: from FILE, by npm run docs --> and <!-- end -->.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { actionTable, findingTable, recoveryTable, xidTable } from './lib/gpu-tables.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const load = (path) => createRequire(import.meta.url)(join(root, 'dist/cjs', path));

const { OPTIONS, environmentName, flagName } = load('config/schema.js');
const { FLAG_OPTIONS } = load('cli/flags.js');
const { REASONS } = load('status/reasons.js');
const { ACTIONS, RECOVERY_ACTIONS } = load('gpu/actions.js');
const { GPU_FINDINGS } = load('gpu/finding-codes.js');
const { XIDS } = load('gpu/catalogue.js');

const code = (text) => `\`${text}\``;
const cell = (text) => text.replaceAll('|', '\\|');

function table(head, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function values(kind) {
  switch (kind.type) {
    case 'integer':
      return `integer, ${kind.min} to ${kind.max}`;
    case 'number':
      return `number, ${kind.min} to ${kind.max}`;
    case 'boolean':
      return 'true, false';
    case 'choice':
      return kind.values.map(code).join(', ');
    case 'list':
    case 'devices':
      return 'names; variable: separated by commas';
    case 'listeners':
      return 'list; variable: addresses separated by commas';
    case 'section':
      return 'true, false, or an object (below)';
    case 'json':
      return 'object; variable: JSON';
    default:
      return 'text';
  }
}

function optionsTable() {
  const flags = new Set(FLAG_OPTIONS.map(({ name }) => name));
  return table(
    ['option', 'variable', 'flag of `serve`', 'default', 'values', 'meaning'],
    OPTIONS.map(({ name, kind, fallback, meaning }) => [
      code(name),
      code(environmentName(name)),
      flags.has(name) ? code(flagName(name)) : name === 'shutdown' ? 'none, always on' : 'none',
      fallback === null || fallback === '' ? 'unset' : code(fallback),
      values(kind),
      meaning,
    ]),
  );
}

const TABLES = {
  options: { file: 'docs/configuration.md', render: optionsTable },
  reasons: {
    file: 'docs/status.md',
    render: () =>
      table(
        ['code', 'meaning', 'what to do'],
        REASONS.map((row) => [code(row.code), row.meaning, row.action]),
      ),
  },
  xids: { file: 'docs/xid.md', render: () => table(...xidTable(XIDS)) },
  'recovery-actions': { file: 'docs/xid.md', render: () => table(...recoveryTable(RECOVERY_ACTIONS)) },
  actions: { file: 'docs/gpu.md', render: () => table(...actionTable(ACTIONS)) },
  'gpu-findings': { file: 'docs/gpu.md', render: () => table(...findingTable(GPU_FINDINGS)) },
};

const isCheck = process.argv.includes('--check');
const stale = [];
for (const [name, { file, render }] of Object.entries(TABLES)) {
  const path = join(root, file);
  const text = readFileSync(path, 'utf8');
  const pattern = new RegExp(`(<!-- ${name}: [^>]* -->\n)[^]*?(\n<!-- end -->)`);
  if (!pattern.test(text)) throw new Error(`${file} has no place for the table ${name}`);
  const fresh = text.replace(pattern, (_, before, after) => `${before}${render()}${after}`);
  if (fresh === text) continue;
  stale.push(file);
  if (!isCheck) writeFileSync(path, fresh);
}
if (isCheck && stale.length > 0) {
  console.error(`${stale.join(', ')}: not what the code says; run npm run docs`);
  process.exit(1);
}
