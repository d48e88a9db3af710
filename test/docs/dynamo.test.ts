import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DYNAMO_NAMES } from '../../lib/config/dynamo-names.js';
import { DYNAMO_VARIABLES } from '../../lib/config/dynamo-options.js';
import { OPTIONS } from '../../lib/config/schema.js';
import { routesOf, SHARED_PATHS } from '../../lib/dialects/index.js';
import { buildFamilies } from '../../lib/metrics/render.js';
import { ROOT, until } from '../helpers/package.js';
import { withProgram } from '../helpers/program.js';
import { metricsInput, NO_ERRORS } from '../metrics/fixtures.js';
import { blocks, codes, firstCodes, tableBelow } from './markdown.js';

const DOC = 'docs/dynamo.md';
const [WORKER = ''] = blocks(DOC, 'js');
const [QUICK = '', LONGER = ''] = blocks(DOC, 'sh');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await until(() => server.listening);
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a block as it is copied, but on a free port, until `curl` has given an answer. */
async function copied(block: string, port: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'dynamo-docs-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/inference-health'));
    writeFileSync(join(folder, 'worker.mjs'), WORKER);
    const path = `PATH="${join(process.execPath, '..')}:$PATH"`;
    // A person is slower than a script: what is asked for is asked again until something listens there.
    const script = block
      .replaceAll(port, String(await freePort()))
      .replaceAll('curl ', 'curl --retry 50 --retry-connrefused --retry-delay 1 --retry-max-time 20 ');
    const traps = `trap 'kill $(jobs -p)' EXIT\n`;
    return await withProgram(['bash', '-c', `${path}\n${traps}${script}`], { cwd: folder }, async (shell) => {
      expect(await shell.exit()).toBe(0);
      return shell.stdout();
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('docs/dynamo.md', () => {
  it.each([
    ['the quick start', QUICK, '8081'],
    ['the longer example', LONGER, '9090'],
  ])('%s works as copied', async (_name, block, port) => {
    expect(block).toContain(`localhost:${port}/health`);
    const document = JSON.parse(await copied(block, port));
    expect(Object.keys(document)).toEqual(['endpoints', 'status', 'uptime']);
    expect(Object.keys(document.endpoints)).toEqual(['generate']);
  });

  it('has every variable, and the option that it sets', () => {
    const rows = tableBelow(DOC, '## Variables');
    expect(firstCodes(rows)).toEqual([...DYNAMO_NAMES]);
    const options = new Map(rows.map(([variable, , , option]) => [codes(variable!)[0], codes(option!)[0]]));
    for (const { variable, option } of DYNAMO_VARIABLES) expect(options.get(variable)).toBe(option);
  });

  it('has their defaults', () => {
    for (const [variable = '', given = ''] of tableBelow(DOC, '## Variables')) {
      const [name = ''] = codes(variable);
      const row = DYNAMO_VARIABLES.find((entry) => entry.variable === name);
      if (row === undefined || row.option.startsWith('paths.')) continue;
      const { fallback } = OPTIONS.find((spec) => spec.name === row.option)!;
      const value = row.grammar.startsWith('seconds') ? Number(fallback) / 1000 : fallback;
      expect([name, given]).toEqual([name, value === null ? 'unset' : `\`${value}\``]);
    }
  });

  it('has every route of the dialect', () => {
    const own = Object.keys(routesOf('dynamo-worker')).filter((path) => !SHARED_PATHS.includes(path));
    expect(firstCodes(tableBelow(DOC, '## Routes')).sort()).toEqual([...own, '/metrics'].sort());
  });

  it('has every metric of Dynamo listeners', () => {
    const figures = { running: 1, waiting: 1, kvBlocksUsed: 1, kvBlocksTotal: 2, prefillTokens: 1 };
    const base = metricsInput();
    const input = { ...base, dynamo: { uptimeMs: 1 }, load: { ...base.load!, figures } };
    const families = buildFamilies(input, {
      agentRestarts: 0,
      app: { ageMs: 0, clashes: 0, errors: NO_ERRORS },
    });
    const names = families.map(({ name }) => name).filter((name) => name.startsWith('dynamo_'));
    expect(firstCodes(tableBelow(DOC, '## Metrics')).sort()).toEqual(names.sort());
  });
});
