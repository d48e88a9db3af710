import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { until } from '../helpers/package.js';
import { nodeBinaries } from '../nodes/binaries.js';
import { environmentFor, install, type Packed, pack } from './packed.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const LIMIT_MS = 120_000;
const UWS_NEEDS_NEW_GLIBC = new Set([24, 26]);

vi.setConfig({ testTimeout: LIMIT_MS });

let packed: Packed;
beforeAll(() => {
  packed = pack();
});
afterAll(() => packed.remove());

interface Report {
  readonly whileLoading: number;
  readonly status: string;
  readonly httpEngine: string;
  readonly native: boolean;
  readonly totalBytes: number;
  readonly buildInfo: string;
}

it('the tarball can be installed again from the lock file, with scripts allowed', {
  timeout: LIMIT_MS,
}, () => {
  const folder = packed.folder('again');
  const npm = (...args: string[]) =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      stdio: 'pipe',
    });
  npm('install', '--prefer-offline', packed.tarball);
  // npm forgets `gypfile: false` in the lock file: a packed binding.gyp made this compile, and fail.
  npm('ci', '--prefer-offline');
  expect(execFileSync('npx', ['inference-health', '--version'], { cwd: folder, encoding: 'utf8' })).toMatch(
    /^\d+\.\d+/,
  );
});

describe.each(nodeBinaries())('the tarball, installed without scripts, on Node $major', ({ major, path }) => {
  let folder: string;
  beforeAll(() => {
    folder = packed.folder(`node-${major}`);
    install(packed.tarball, folder, path);
    for (const file of ['consumer.mjs', 'consumer.cjs', 'report.cjs', 'registered.cjs'])
      copyFileSync(join(HERE, file), join(folder, file));
  }, LIMIT_MS);

  async function run(args: readonly string[], variables: Record<string, string> = {}): Promise<string> {
    const env = { ...environmentFor(path), ...variables };
    const { stdout } = await promisify(execFile)(path, args, { cwd: folder, env, timeout: LIMIT_MS });
    return stdout;
  }

  it.each(['consumer.mjs', 'consumer.cjs'])('serves health from %s with the native addon', async (file) => {
    const report = JSON.parse(await run([file])) as Report;
    expect(report).toMatchObject({ whileLoading: 503, native: true });
    expect(report.status).toMatch(/^(healthy|degraded)$/);
    // uWebSockets.js for Node 24 and 26 needs a newer glibc than some systems have.
    expect(UWS_NEEDS_NEW_GLIBC.has(major) ? ['uws', 'http'] : ['uws']).toContain(report.httpEngine);
    expect(report.totalBytes / totalmem()).toBeCloseTo(1, 3);
    expect(report.buildInfo).toContain(`http_engine="${report.httpEngine}"`);
    expect(report.buildInfo).toContain(`node="v${major}.`);
  });

  it('serves without the native addon and without uWebSockets.js', async () => {
    const env = { INFERENCE_HEALTH_NATIVE: 'off', INFERENCE_HEALTH_HTTP_ENGINE: 'http' };
    const report = JSON.parse(await run(['consumer.mjs'], env)) as Report;
    expect(report).toMatchObject({ whileLoading: 503, native: false, httpEngine: 'http' });
    expect(report.totalBytes / totalmem()).toBeCloseTo(1, 3);
  });

  it.each(['--import', '--require'])('starts health by %s inference-health/register', async (flag) => {
    const env = { INFERENCE_HEALTH_LISTENERS: `unix:${join(folder, 'health.sock')}` };
    expect(await run([flag, 'inference-health/register', 'registered.cjs'], env)).toBe('200 1\n');
  });

  it('has a command that serves, is checked, and stops at a signal with 0', async () => {
    const bin = join(folder, 'node_modules/.bin/inference-health');
    const server = spawn(bin, ['serve', '--port', '0'], {
      env: environmentFor(path),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      let output = '';
      server.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      const url = await until(() => /http:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(output)?.[0]);
      expect(await run([bin, 'check', url])).toMatch(/\/livez: 200\n$/);
      expect(await run([bin, 'check', '--ready', url])).toMatch(/\/readyz: 200\n$/);
      await expect(run([bin, 'check', `${url}/absent`])).rejects.toMatchObject({ code: 1 });
      server.kill('SIGTERM');
      expect(await once(server, 'exit')).toEqual([0, null]);
    } finally {
      server.kill('SIGKILL');
    }
  });
});

it('answers npx inference-health --version with its version', () => {
  const folder = packed.folder('npx');
  install(packed.tarball, folder, process.execPath);
  const options = { cwd: folder, encoding: 'utf8' } as const;
  const version = execFileSync('npx', ['--no-install', 'inference-health', '--version'], options);
  expect(packed.tarball).toContain(`-${version.trim()}.tgz`);
});
