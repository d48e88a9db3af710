import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pickPort } from '../../lib/testing/ports.js';
import { promtoolComplaint } from './promtool.js';

const require = createRequire(import.meta.url);
const { startHealth } = require('../../dist/cjs/index.js') as typeof import('../../lib/index.js');

const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
const registry = new Registry();
const jobs = new Counter({ name: 'app_jobs_total', help: 'Jobs.', registers: [registry] });
let health: Awaited<ReturnType<typeof startHealth>>;
let prometheus: ChildProcess;
let healthUrl = '';
let prometheusUrl = '';
let prometheusLog = '';

/** Value of the first series of a query, or null when there is none. */
async function query(promql: string): Promise<number | null> {
  const response = await fetch(`${prometheusUrl}/api/v1/query?query=${encodeURIComponent(promql)}`);
  const body = (await response.json()) as { data: { result: { value: [number, string] }[] } };
  const value = body.data.result[0]?.value[1];
  return value === undefined ? null : Number(value);
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let waited = 0; !(await condition().catch(() => false)); waited += 100) {
    if (waited > 30_000) throw new Error(`${what} did not happen within 30 s\n${prometheusLog}`);
    await sleep(100);
  }
}

beforeAll(async () => {
  health = await startHealth({ port: 0, host: '127.0.0.1', registry });
  const bound = health.listeners[0]!;
  if (bound.kind !== 'tcp') throw new Error('expected a TCP listener');
  healthUrl = `http://127.0.0.1:${bound.port}`;

  const port = await pickPort();
  prometheusUrl = `http://127.0.0.1:${port}`;
  const config = join(folder, 'prometheus.yml');
  writeFileSync(
    config,
    `global: { scrape_interval: 1s }
scrape_configs:
  - job_name: inference
    static_configs: [{ targets: ['127.0.0.1:${bound.port}'] }]
`,
  );
  prometheus = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  prometheus.stderr?.on('data', (chunk) => {
    prometheusLog += chunk;
  });
  prometheus.on('error', (error) => {
    prometheusLog += `${error.message}. Install it: apt-get install prometheus`;
  });
  await until(async () => (await query('up')) === 1, 'a first good scrape');
});

afterAll(async () => {
  if (prometheus?.exitCode === null && prometheus.pid !== undefined) {
    prometheus.kill('SIGKILL');
    await once(prometheus, 'exit');
  }
  await health?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a real Prometheus', () => {
  test('scrapes what promtool has nothing to say about', async () => {
    const response = await fetch(`${healthUrl}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(promtoolComplaint(await response.text())).toBeNull();
  });

  test('sees this host, and its own scrapes counted', async () => {
    const is = (promql: string, holds: (value: number) => boolean) =>
      until(async () => holds((await query(promql)) ?? Number.NaN), promql);
    await is('inference_health_memory_used_bytes{scope="process"}', (bytes) => bytes > 10e6);
    await is('inference_health_memory_limit_bytes{scope="host"}', (bytes) => bytes > 100e6);
    await is('inference_health_build_info', (value) => value === 1);
    await until(
      async () => ((await query('inference_health_probe_requests_total{route="/metrics"}')) ?? 0) > 2,
      'three scrapes',
    );
    expect(await query('inference_health_agent_restarts_total')).toBe(0);
  });

  test("sees the application's metrics", async () => {
    jobs.inc(3);
    await until(async () => (await query('app_jobs_total')) === 3, 'the counter of the application');
    expect(await query('inference_health_app_metrics_clashes')).toBe(0);
  });

  test('goes on scraping while the main thread is blocked, and sees that', async () => {
    const blockedFrom = Date.now();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4500);
    const seconds = Math.ceil((Date.now() - blockedFrom) / 1000) + 1;
    // Each good scrape is 1; on a busy machine one may take longer than it has.
    expect(await query(`sum_over_time(up[${seconds}s])`)).toBeGreaterThan(2);
    expect(
      await query(`max_over_time(inference_health_event_loop_busy_seconds[${seconds}s])`),
    ).toBeGreaterThan(1);
  });
});
