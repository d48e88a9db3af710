import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pickPort } from '../../lib/testing/ports.js';
import { ROOT, until } from '../helpers/package.js';
import { install, type Packed, pack } from './packed.js';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

let packed: Packed;
beforeAll(() => {
  packed = pack();
});
afterAll(() => packed.remove());

it("the README's server is ready once the model is, and counts what it serves", async () => {
  const folder = packed.folder('readme');
  install(packed.tarball, folder, process.execPath);
  const [, source = ''] = /```js\n(.*?)```/s.exec(readme) ?? [];
  const port = await pickPort();
  const healthPort = await pickPort();
  writeFileSync(join(folder, 'server.mjs'), source.replace('8000', String(port)));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  // It blocks the thread as real ones do, then waits for the word to end.
  writeFileSync(
    join(folder, 'model.js'),
    `export async function loadModel() {
      const end = Date.now() + 500;
      while (Date.now() < end);
      await new Promise((resolve) => process.stdin.once('data', resolve));
      process.stdin.destroy();
      return { async *generate() { yield 'Hello'; yield ' world'; } };
    }`,
  );
  const server = spawn(process.execPath, ['server.mjs'], {
    cwd: folder,
    env: { ...process.env, INFERENCE_HEALTH_PORT: String(healthPort) },
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  try {
    const base = `http://127.0.0.1:${healthPort}`;
    const ready = async () => (await fetch(`${base}/health/ready`).catch(() => null))?.status;
    expect(await until(ready)).toBe(503);
    server.stdin.write('loaded\n');
    await until(async () => (await ready()) === 200);
    const ask = async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.text();
    expect(await until(ask)).toBe('Hello world');
    const counted = async () => {
      const document = (await (await fetch(`${base}/health`)).json()) as {
        metrics: { total_requests: number };
      };
      return document.metrics.total_requests === 1;
    };
    await until(counted);
  } finally {
    server.kill('SIGKILL');
  }
}, 120_000);
