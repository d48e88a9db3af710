import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ROOT } from '../helpers/package.js';
import { extract, type Packed, pack } from './packed.js';

vi.setConfig({ testTimeout: 120_000 });

let packed: Packed;
beforeAll(() => {
  packed = pack();
});
afterAll(() => packed.remove());

/** What an application writes, with a mistake in it that only real types can see. */
const USES = `
async function serve(options: HealthOptions): Promise<number> {
  await using health: Health = await startHealth(options);
  health.model.loading();
  health.on('status', ({ ready, reasons }) => console.log(ready satisfies boolean, reasons.length));
  const request = health.requests.begin();
  request.tokens(3);
  request.end();
  // @ts-expect-error a port is a number
  startHealth({ port: '8081' }).catch(() => undefined);
  return health.listeners.length;
}
const failed = (error: unknown): string => (error instanceof InferenceHealthError ? error.code : '');
serve({ httpEngine: 'auto', memory: { degradedPercent: 70 } }).then(console.log, failed);
`;
/** The adapters, without the frameworks: their types must not leak. */
const ADAPTERS = `
export function adapt(health: Health) {
  const middleware = expressHealth(health, { track: (method, path) => method === 'POST' && path !== '/' });
  // @ts-expect-error track is no list
  honoHealth(health, { track: ['POST'] });
  const server = createServer(httpHealth(health, (request, response) => {
    trackedRequest(request)?.tokens(1);
    response.end();
  }, { routes: false, admit: false }));
  return { middleware, server, plugin: fastifyHealth(health, { routes: { details: 'full' } }), hono: honoHealth(health) };
}
`;
const ADAPTER_IMPORTS = {
  express: 'expressHealth, trackedRequest',
  fastify: 'fastifyHealth',
  hono: 'honoHealth',
  'node-http': 'httpHealth',
};
const importsOf = (form: (names: string, path: string) => string): string =>
  Object.entries(ADAPTER_IMPORTS)
    .map(([path, names]) => form(names, `inference-health/${path}`))
    .join('\n');
const NAMES = 'type Health, type HealthOptions, InferenceHealthError, startHealth';
const ESM = `import { ${NAMES} } from 'inference-health';\nimport 'inference-health/register';
import { createServer } from 'node:http';
${importsOf((names, path) => `import { ${names} } from '${path}';`)}\n${USES}${ADAPTERS}`;
const CJS = `import health = require('inference-health');\nimport 'inference-health/register';
import InferenceHealthError = health.InferenceHealthError;
type Health = health.Health;\ntype HealthOptions = health.HealthOptions;\nconst { startHealth } = health;
import http = require('node:http');\nconst { createServer } = http;
${importsOf((names, path) => {
  const name = path.replace(/\W/g, '_');
  return `import ${name} = require('${path}');\nconst { ${names} } = ${name};`;
})}\n${USES}${ADAPTERS}`;

it.each([
  ['node16', 'node16', { 'esm.mts': ESM, 'cjs.cts': CJS }],
  ['bundler', 'esnext', { 'bundled.ts': ESM }],
  ['node10', 'commonjs', { 'old.ts': ESM }],
])('types resolve and check with moduleResolution %s', async (moduleResolution, module, files) => {
  const folder = packed.folder(moduleResolution);
  extract(packed.tarball, folder);
  // Nothing else but Node's own types: the declarations must not need prom-client or another dependency.
  mkdirSync(join(folder, 'node_modules/@types'));
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  for (const [file, source] of Object.entries(files)) writeFileSync(join(folder, file), source);
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    // Our declarations are checked too.
    skipLibCheck: false,
    noEmit: true,
    module,
    moduleResolution,
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: Object.keys(files) }),
  );
  const tsc = join(ROOT, 'node_modules/typescript/lib/tsc.js');
  const output = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(output.stdout).toBe('');
});
