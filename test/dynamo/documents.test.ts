import { describe, expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { ask, HTTP_ENGINES, withWorker } from './worker.js';

const TEXT = 'text/plain; charset=utf-8';
/** The document's, but for the port. */
const ENVIRONMENT = {
  DYN_SYSTEM_STARTING_HEALTH_STATUS: 'notready',
  DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS: '["generate"]',
};

describe.each(HTTP_ENGINES)("the document's worker on %s", (httpEngine) => {
  it('says the same on /live, /health and /ready, and counts the uptime between two probes', async () => {
    await withWorker(ENVIRONMENT, { httpEngine }, async (health, base) => {
      const shape = async (path: string) => {
        const { status, type, text } = await ask(`${base}${path}`);
        return [status, type, text.replace(/"nanos":\d+,"secs":\d+/, '')];
      };
      const [live, ready] = [await shape('/live'), await shape('/ready')];
      expect(await shape('/health')).toEqual(live);
      expect(ready).toEqual(live);
      expect(live[0]).toBe(503);
      health.endpoint('generate').ready();
      await until(async () => (await ask(`${base}/live`)).status === 200);
      expect(await shape('/ready')).toEqual(await shape('/health'));

      const nanos = async () => {
        const { uptime } = JSON.parse((await ask(`${base}/health`)).text);
        expect(uptime.nanos).toBeLessThan(1e9);
        return uptime.secs * 1e9 + uptime.nanos;
      };
      const first = await nanos();
      expect(await nanos()).toBeGreaterThan(first);
    });
  });

  it('answers HEAD, another method, OPTIONS and another path as a Dynamo worker does', async () => {
    await withWorker(ENVIRONMENT, { httpEngine }, async (_health, base) => {
      const head = await ask(`${base}/health`, { method: 'HEAD' });
      expect([head.status, head.type, head.text]).toEqual([503, TEXT, '']);
      expect(head.length).toBeGreaterThan(80);
      const post = await ask(`${base}/live`, { method: 'POST', body: 'x' });
      expect([post.status, post.text, post.headers.get('allow')]).toEqual([405, '', 'GET, HEAD, OPTIONS']);
      const options = await ask(`${base}/health`, { method: 'OPTIONS' });
      expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
      for (const path of ['/', '/health/', '/Health', '/engine/control/sleep', '/v1/loras']) {
        const missing = await ask(`${base}${path}`);
        expect([missing.status, missing.type, missing.length, missing.text]).toEqual([
          404,
          TEXT,
          15,
          'Route not found',
        ]);
      }
    });
  });

  it('adds reasons only for ?verbose and for clients that accept JSON', async () => {
    await withWorker(ENVIRONMENT, { httpEngine }, async (health, base) => {
      await until(() => health.status().phase === 'serving');
      const keys = async (path: string, accept = '*/*') => {
        const { type, text } = await ask(`${base}${path}`, { headers: { accept } });
        return [type, Object.keys(JSON.parse(text))];
      };
      const THREE = ['endpoints', 'status', 'uptime'];
      const FOUR = ['endpoints', 'reasons', 'status', 'uptime'];
      expect(await keys('/health')).toEqual([TEXT, THREE]);
      expect(await keys('/health?quiet')).toEqual([TEXT, THREE]);
      expect(await keys('/health?verbose')).toEqual([TEXT, FOUR]);
      expect(await keys('/live', 'application/json')).toEqual(['application/json', FOUR]);
      expect(await keys('/live', 'text/html, application/json;q=0.9')).toEqual(['application/json', FOUR]);
      expect(await keys('/live', 'application/json;q=0')).toEqual([TEXT, THREE]);
      expect(await keys('/ready', 'application/jsonlines')).toEqual([TEXT, THREE]);

      health.hold('warmup');
      const reasons = await until(async () => {
        const { text } = await ask(`${base}/health?verbose`);
        const found = JSON.parse(text).reasons;
        return found.length === 2 && found;
      });
      expect(reasons).toEqual([
        expect.objectContaining({ component: 'hold', code: 'hold.warmup' }),
        {
          component: 'endpoint',
          code: 'endpoint.notready',
          message: 'Endpoint generate is not ready',
          since: expect.stringMatching(/^\d{4}-.*Z$/),
        },
      ]);
      expect(await keys('/health')).toEqual([TEXT, THREE]);
    });
  });

  it('answers on custom paths instead of the default ones', async () => {
    const paths = { DYN_SYSTEM_HEALTH_PATH: '/custom/health', DYN_SYSTEM_LIVE_PATH: '/custom/:live' };
    await withWorker({ ...ENVIRONMENT, ...paths }, { httpEngine }, async (_health, base) => {
      const status = async (path: string) => (await ask(`${base}${path}`)).status;
      expect(await status('/custom/health')).toBe(503);
      expect(await status('/custom/:live')).toBe(503);
      expect(await status('/custom/x')).toBe(404);
      expect(await status('/health')).toBe(404);
      expect(await status('/live')).toBe(404);
      expect(await status('/ready')).toBe(503);
      expect(await status('/livez')).toBe(200);
      const metrics = (await ask(`${base}/metrics`)).text;
      expect(metrics).toMatch(/probe_requests_total\{route="\/health",status="5xx"\} 1\n/);
      expect(metrics).toMatch(/probe_requests_total\{route="\/live",status="5xx"\} 1\n/);
      expect(metrics).not.toContain('custom');
    });
  });
});
