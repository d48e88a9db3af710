import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until, withHealth } from '../helpers/package.js';

const PATHS = ['/health', '/health/live', '/health/ready'];

describe.each(['uws', 'http'] as const)("BitNet.rs's endpoints on %s", (httpEngine) => {
  it('answer GET and HEAD alike, without a body on HEAD', async () => {
    await withHealth({ httpEngine, startupGraceMs: 0 }, async (health, base) => {
      await until(() => health.status().ready);
      const both = async (path: string) => {
        const [get, head] = await Promise.all([fetch(base + path), fetch(base + path, { method: 'HEAD' })]);
        expect([head.status, await head.text()]).toEqual([get.status, '']);
        for (const name of ['content-type', 'cache-control'])
          expect(head.headers.get(name)).toBe(get.headers.get(name));
        return get.status;
      };
      for (const path of PATHS) await until(async () => (await both(path)) === 200);
      health.model.failed();
      await until(async () => (await fetch(`${base}/health/ready`)).status === 503);
      expect([await both('/health'), await both('/health/live'), await both('/health/ready')]).toEqual([
        503, 200, 503,
      ]);
    });
  });

  it('leave out what they cannot know, and keep response_time_ms as null', async () => {
    const root = mkdtempSync(join(tmpdir(), 'no-proc-'));
    try {
      await withHealth({ httpEngine, root }, async (_health, base) => {
        const { metrics, components, status } = (await (await fetch(`${base}/health`)).json()) as {
          status: string;
          metrics: Record<string, unknown>;
          components: Record<string, Record<string, unknown>>;
        };
        for (const key of ['cpu_usage_percent', 'memory_usage_mb', 'gpu_memory_mb', 'gpu_memory_leak'])
          expect(metrics).not.toHaveProperty(key);
        expect(components.model).toHaveProperty('response_time_ms', null);
        // What is not known is neither healthy nor 0 %.
        expect(status).toBe('degraded');
        expect(components.memory).toMatchObject({
          status: 'degraded',
          reason: expect.stringMatching(/^memory\./),
        });
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('add keys behind the documented ones only', async () => {
    await withHealth({ httpEngine, sampleHz: 10 }, async (_health, base) => {
      // A CPU share needs two samples.
      const document = await until(async () => {
        const current = (await (await fetch(`${base}/health`)).json()) as Record<string, object>;
        return 'cpu_usage_percent' in current.metrics! ? current : null;
      });
      expect(Object.keys(document).slice(0, 7).join()).toBe(
        'status,timestamp,uptime_seconds,version,build,components,metrics',
      );
      expect(Object.keys(document.build!).slice(0, 7).join()).toBe(
        'version,git_sha,git_branch,build_timestamp,rustc_version,cargo_target,cargo_profile',
      );
      expect(Object.keys(document.metrics!).slice(0, 7).join()).toBe(
        'active_requests,total_requests,error_rate_percent,avg_response_time_ms,memory_usage_mb,tokens_per_second,cpu_usage_percent',
      );
      for (const component of Object.values(document.components!)) {
        expect(Object.keys(component).slice(0, 4).join()).toBe('status,message,last_check,response_time_ms');
      }
    });
  });
});
