import { describe, expect, it } from 'vitest';
import { until, withHealth } from '../helpers/package.js';

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ENGINES = ['uws', 'http'] as const;

async function get(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

describe.each(ENGINES)('the documented health endpoints on %s', (httpEngine) => {
  it('answer with the full schema, the right types and nothing made up', async () => {
    await withHealth({ httpEngine, version: '1.2.3', startupGraceMs: 0 }, async (health, base) => {
      await until(() => health.status().ready);
      const answer = await get(`${base}/health`);
      const document = answer.json();
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(Object.keys(document).slice(0, 7)).toEqual([
        'status',
        'timestamp',
        'uptime_seconds',
        'version',
        'build',
        'components',
        'metrics',
      ]);
      expect(document.timestamp).toMatch(RFC3339);
      expect(Math.abs(Date.parse(document.timestamp) - Date.now())).toBeLessThan(5000);
      expect(Number.isInteger(document.uptime_seconds)).toBe(true);
      expect(document.version).toBe('1.2.3');
      for (const key of [
        'version',
        'git_sha',
        'git_branch',
        'build_timestamp',
        'rustc_version',
        'cargo_target',
        'cargo_profile',
        'inference_health_version',
      ]) {
        expect(document.build[key]).toEqual(expect.any(String));
      }
      expect(document.build).not.toHaveProperty('cuda_version');
      expect(Object.keys(document.components)).toEqual([
        'model',
        'memory',
        'inference_engine',
        'event_loop',
        'cpu',
      ]);
      for (const component of Object.values(document.components) as Record<string, unknown>[]) {
        expect(['healthy', 'degraded', 'unhealthy']).toContain(component.status);
        expect(component.message).toEqual(expect.any(String));
        expect(component.last_check).toMatch(RFC3339);
        expect(component.response_time_ms === null || Number.isInteger(component.response_time_ms)).toBe(
          true,
        );
        expect(Number.isInteger(component.age_ms)).toBe(true);
      }
      expect(document.components.model).toMatchObject({
        status: 'healthy',
        message: 'Not managed by this process',
        reason: 'model.unmanaged',
      });
      expect(document.components.memory.message).toMatch(
        /^(Memory usage normal|Elevated memory usage|High memory usage): \d+\.\d%$/,
      );
      const { metrics } = document;
      for (const key of ['active_requests', 'total_requests'])
        expect(Number.isInteger(metrics[key])).toBe(true);
      expect(metrics.memory_usage_mb).toBeGreaterThan(1);
      expect(metrics.memory_usage_mb).toBeLessThan(64 * 1024 * 1024);
      expect(metrics).not.toHaveProperty('gpu_memory_mb');
      expect(metrics).not.toHaveProperty('gpu_memory_leak');
    });
  });

  it('send no-store on every answer and the status of the whole on /health', async () => {
    await withHealth({ httpEngine, startupGraceMs: 0 }, async (health, base) => {
      await until(() => health.status().health === 'healthy');
      for (const path of ['/health', '/health/live', '/health/ready', '/livez', '/nothing']) {
        for (const method of ['GET', 'HEAD']) {
          const { headers } = await get(base + path, { method });
          expect(headers.get('cache-control')).toBe('no-store');
        }
      }
      expect((await get(`${base}/health`)).status).toBe(200);
      health.component('cache').set('degraded', 'slow', 'Cache is slow');
      const answer = await until(async () => {
        const current = await get(`${base}/health`);
        return current.status === 503 && current;
      });
      expect(answer.json()).toMatchObject({
        status: 'degraded',
        reasons: expect.arrayContaining([
          expect.objectContaining({ component: 'cache', code: 'cache.slow', message: 'Cache is slow' }),
        ]),
      });
      expect((await get(`${base}/health`, { method: 'HEAD' })).status).toBe(503);
      expect((await get(`${base}/health/live`)).status).toBe(200);
    });
  });

  it('map degraded to 200 on /health alone when degradedOk is set, and unhealthy never', async () => {
    await withHealth({ httpEngine, degradedOk: true, startupGraceMs: 60_000 }, async (health, base) => {
      await until(() => health.status().ready);
      health.model.loading();
      await until(async () => (await get(`${base}/health/ready`)).status === 503);
      const answer = await get(`${base}/health`);
      expect([answer.status, answer.json().status]).toEqual([200, 'degraded']);
      expect((await get(`${base}/health/live`)).status).toBe(503);
      health.model.failed(new Error('weights are corrupt'));
      await until(async () => (await get(`${base}/health`)).status === 503);
      expect((await get(`${base}/health`)).json()).toMatchObject({ status: 'unhealthy' });
    });
  });

  it('give liveness exactly two keys and 503 degraded during the grace', async () => {
    await withHealth({ httpEngine, startupGraceMs: 1500 }, async (health, base) => {
      await until(() => health.status().ready);
      const early = await get(`${base}/health/live`);
      expect(early.status).toBe(503);
      expect(early.headers.get('content-type')).toBe('application/json');
      expect(Object.keys(early.json())).toEqual(['status', 'timestamp']);
      expect(early.json().status).toBe('degraded');
      expect((await get(`${base}/livez`)).status).toBe(200);
      const later = await until(async () => {
        const current = await get(`${base}/health/live`);
        return current.status === 200 && current;
      });
      expect(later.json()).toEqual({ status: 'healthy', timestamp: expect.stringMatching(RFC3339) });
    });
  });

  it('give readiness an empty body without a content type', async () => {
    await withHealth({ httpEngine }, async (health, base) => {
      await until(() => health.status().ready);
      const ready = await get(`${base}/health/ready`);
      expect([
        ready.status,
        ready.text,
        ready.headers.get('content-type'),
        ready.headers.get('content-length'),
      ]).toEqual([200, '', null, '0']);
      const hold = health.hold('warm-up');
      const held = await until(async () => {
        const current = await get(`${base}/health/ready`);
        return current.status === 503 && current;
      });
      expect([held.text, held.headers.get('content-type')]).toEqual(['', null]);
      hold.release();
      await until(async () => (await get(`${base}/health/ready`)).status === 200);
    });
  });

  it('know nothing else under /health and refuse other methods', async () => {
    await withHealth({ httpEngine }, async (_health, base) => {
      expect((await get(`${base}/health/`)).status).toBe(404);
      expect((await get(`${base}/health/invalid`)).status).toBe(404);
      const refused = await get(`${base}/health`, { method: 'POST', body: 'x' });
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    });
  });
});

describe('Kubernetes probes', () => {
  it('say what is wrong with ?verbose, in codes on a documented listener and in words on a full one', async () => {
    const listeners = [
      { port: 0, host: '127.0.0.1', details: 'full' },
      { port: 0, host: '127.0.0.1', details: 'documented' },
    ] as const;
    await withHealth({ listeners }, async (health, full) => {
      const documented = `http://127.0.0.1:${(health.listeners[1] as { port: number }).port}`;
      expect((await get(`${full}/startupz`)).status === 503 || health.status().startup).toBe(true);
      await until(() => health.status().ready);
      expect((await get(`${full}/readyz?verbose`)).text).toContain('[+]memory ok\n');
      health.model.failed(new Error('secret path /srv/weights'));
      await until(async () => (await get(`${full}/readyz`)).status === 503);
      expect((await get(`${full}/readyz?verbose`)).text).toContain(
        '[-]model failed: model.failed: Model failed\n',
      );
      expect((await get(`${documented}/readyz?verbose=1`)).text).toContain('[-]model failed: model.failed\n');
      expect((await get(`${full}/health`)).text).toContain('secret path');
      expect((await get(`${documented}/health`)).text).not.toContain('secret path');
    });
  });
});
