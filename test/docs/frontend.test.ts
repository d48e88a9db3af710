import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FRONTEND_FLAGS } from '../../lib/cli/frontend-flags.js';
import { DYNAMO_FRONTEND_NAMES } from '../../lib/config/dynamo-names.js';
import { FRONTEND_HEALTH_MODES } from '../../lib/dialects/dynamo-frontend.js';
import { readText, tableBelow } from './markdown.js';

it('docs/frontend.md has every variable of Dynamo that a frontend reads, and every health mode', () => {
  const doc = readText('docs/frontend.md');
  for (const name of [...DYNAMO_FRONTEND_NAMES, ...FRONTEND_HEALTH_MODES, '--processes'])
    expect(doc).toContain(`\`${name}\``);
});

it('knows every variable of the flags, so that one that is nearly it is warned about', () => {
  const variables = FRONTEND_FLAGS.flatMap(({ variable }) =>
    variable?.startsWith('DYN_HTTP') ? [variable] : [],
  );
  expect(DYNAMO_FRONTEND_NAMES).toEqual(expect.arrayContaining(variables));
});

it('has alerts on metrics that a frontend is documented to have', () => {
  const [, metrics = ''] = readText('docs/frontend.md').split('## Metrics');
  const documented = [...metrics.matchAll(/`([a-z_]+)(?:\{[a-z_,]+\})?`/g)].map((match) => match[1]);
  const queries = tableBelow('docs/metrics.md', '## Alerts on a frontend').map(([, query]) => query);
  const queried = [...queries.join().matchAll(/\binference_health_([a-z_]+?)(?:_bucket)?\b/g)].map(
    (match) => match[1],
  );
  expect(queried.length).toBeGreaterThan(8);
  expect(queried.filter((name) => !documented.includes(name))).toEqual([]);
});

it.runIf(existsSync('/usr/bin/promtool'))('has alerts that Prometheus understands', () => {
  const rows = tableBelow('docs/metrics.md', '## Alerts on a frontend');
  const rules = rows.map(([, cell = ''], index) => {
    const query = cell.replaceAll('\\|', '|').replaceAll('`', '');
    return `  - alert: A${index}\n    expr: ${JSON.stringify(query)}\n`;
  });
  expect(rules.length).toBeGreaterThan(5);
  const folder = mkdtempSync(join(tmpdir(), 'alerts-'));
  try {
    writeFileSync(join(folder, 'rules.yml'), `groups:\n- name: frontend\n  rules:\n${rules.join('')}`);
    expect(String(execFileSync('promtool', ['check', 'rules', join(folder, 'rules.yml')]))).toContain(
      'SUCCESS',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
