import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { withProgram } from '../helpers/program.js';
import { promtoolComplaint } from '../metrics/promtool.js';
import { ask, HTTP_ENGINES, withWorker } from './worker.js';

const REQUIRED = { DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS: '["generate"]' };
const document = async (base: string, path = '/health') => {
  const { status, text } = await ask(`${base}${path}`);
  return { status, body: JSON.parse(text) };
};

describe.each(HTTP_ENGINES)('readiness of a Dynamo worker on %s', (httpEngine) => {
  it('is the starting status while no endpoint is declared', async () => {
    await withWorker({}, { httpEngine }, async (health, base) => {
      expect(await document(base)).toMatchObject({
        status: 503,
        body: { endpoints: {}, status: 'notready' },
      });
      expect((await document(base, '/health?verbose')).body.reasons).toMatchObject([
        { code: 'endpoint.none' },
      ]);
      const only = health.endpoint('generate');
      only.ready();
      await until(async () => (await document(base)).status === 200);
      only.notReady('reloading');
      await until(async () => (await document(base)).status === 503);
    });
    const ready = { DYN_SYSTEM_STARTING_HEALTH_STATUS: 'ready' };
    await withWorker(ready, { httpEngine }, async (health, base) => {
      expect(await document(base)).toMatchObject({ status: 200, body: { endpoints: {}, status: 'ready' } });
      // The first endpoint takes over from the starting status.
      health.endpoint('generate');
      await until(async () => (await document(base)).status === 503);
    });
    await withWorker({ ...ready, ...REQUIRED }, { httpEngine }, async (health, base) => {
      expect(await document(base)).toMatchObject({ status: 200, body: { endpoints: { generate: 'ready' } } });
      health.endpoint('generate').notReady();
      await until(async () => (await document(base)).status === 503);
    });
  });

  it('asks only for the endpoints that are required, and shows all', async () => {
    await withWorker(REQUIRED, { httpEngine }, async (health, base) => {
      health.endpoint('load_metrics').ready();
      await until(async () => 'load_metrics' in (await document(base)).body.endpoints);
      expect((await document(base)).status).toBe(503);
      health.endpoint('generate').ready();
      await until(async () => (await document(base)).status === 200);
      health.endpoint('load_metrics').notReady();
      await until(async () => (await document(base)).body.endpoints.load_metrics === 'notready');
      expect(await document(base)).toMatchObject({ status: 200, body: { status: 'ready' } });
    });
  });

  it('does not look at memory, CPU or what is only degraded, but at holds, claims and critical checks', async () => {
    const options = { httpEngine, memory: { degradedPercent: 1, unhealthyPercent: 1 } };
    await withWorker(REQUIRED, options, async (health, base) => {
      health.endpoint('generate').ready();
      await until(async () => health.status().reasons.some(({ code }) => code === 'memory.critical'));
      health.component('cache').set('unhealthy');
      await until(async () => health.status().reasons.some(({ code }) => code === 'cache.unhealthy'));
      expect((await document(base)).status).toBe(200);
      expect((await ask(`${base}/readyz`)).status).toBe(503);

      const turns = async (status: number) =>
        await until(async () => (await document(base)).status === status);
      health.component('inference_engine').set('degraded', 'slow');
      await until(async () => health.status().reasons.some(({ code }) => code === 'inference_engine.slow'));
      await turns(200);
      health.engine.failed(new Error('gone'));
      await turns(503);
      health.engine.ready();
      await turns(200);
      health.model.loading();
      await turns(503);
      health.model.ready();
      await turns(200);
      const hold = health.hold('warmup');
      await turns(503);
      hold.release();
      await turns(200);
      const check = health.check('store', () => false, { critical: true });
      await turns(503);
      check.stop();
      await turns(200);
    });
  });

  it('is lost with the drain, which /livez and a shallow /live outlive', async () => {
    const shallow = { ...REQUIRED, DYN_SYSTEM_LIVE_MODE: 'shallow' };
    await withWorker(shallow, { httpEngine, startupGraceMs: 0 }, async (health, base) => {
      expect([(await document(base)).status, (await document(base, '/live')).status]).toEqual([503, 200]);
      health.endpoint('generate').ready();
      await until(async () => (await document(base)).status === 200);
      await until(() => health.status().phase === 'serving');
      await health.drain();
      await until(async () => (await document(base)).status === 503);
      expect((await document(base)).body).toMatchObject({
        endpoints: { generate: 'notready' },
        status: 'notready',
      });
      expect((await document(base, '/ready')).status).toBe(503);
      expect((await document(base, '/live')).status).toBe(200);
      expect((await ask(`${base}/livez`)).status).toBe(200);
      expect((await ask(`${base}/health/live`)).status).toBe(200);
    });
    await withWorker(REQUIRED, { httpEngine }, async (health, base) => {
      health.endpoint('generate').ready();
      await until(async () => (await document(base, '/live')).status === 200);
      await health.drain();
      await until(async () => (await document(base, '/live')).status === 503);
      expect((await ask(`${base}/livez`)).status).toBe(200);
    });
  });

  it('has its own listener beside ours, and dynamo metrics only there', async () => {
    await withWorker({}, { httpEngine, port: 0, host: '127.0.0.1' }, async (health, ours) => {
      expect(health.listeners).toHaveLength(2);
      const theirs = `http://127.0.0.1:${(health.listeners[1] as { port: number }).port}`;
      const request = health.requests.begin();
      health.requests.begin().end();
      health.requests.begin().fail();
      expect(Object.keys((await document(ours)).body)).toContain('components');
      expect(Object.keys((await document(theirs)).body)).toEqual(['endpoints', 'status', 'uptime']);
      expect((await ask(`${ours}/live`)).text).toBe('Not Found\n');

      const [plain, dynamo] = [await ask(`${ours}/metrics`), await ask(`${theirs}/metrics`)];
      expect(plain.text).not.toContain('dynamo_');
      expect(plain.text).toContain('inference_health_live 1\n');
      expect(dynamo.text).toContain('inference_health_live 1\n');
      expect(dynamo.text).toMatch(/^dynamo_component_uptime_seconds \d+(\.\d+)?$/m);
      expect(dynamo.text).toContain('\ndynamo_component_inflight_requests 1\n');
      expect(dynamo.text).toContain('\ndynamo_component_requests_total 2\n');
      expect(dynamo.text).toContain('\ndynamo_component_errors_total{error_type="generate"} 1\n');
      expect(dynamo.text).toContain('\ndynamo_component_request_duration_seconds_count 2\n');
      expect(dynamo.text).not.toContain('total_blocks');
      expect(promtoolComplaint(dynamo.text)).toBeNull();
      request.end();
    });
  });

  it('lets no metric of the application clash with those', async () => {
    const registry = {
      metrics: () =>
        '# HELP dynamo_component_uptime_seconds x\n# TYPE dynamo_component_uptime_seconds gauge\ndynamo_component_uptime_seconds 7\n# HELP own_total x\n# TYPE own_total counter\nown_total 3\n',
    };
    await withWorker({}, { httpEngine, registry }, async (_health, base) => {
      const text = await until(async () => {
        const scrape = (await ask(`${base}/metrics`)).text;
        return scrape.includes('own_total 3') && scrape;
      });
      expect(text.match(/^dynamo_component_uptime_seconds /gm)).toHaveLength(1);
      expect(promtoolComplaint(text)).toBeNull();
    });
  });
});

it("mounts the same document on the application's own port", async () => {
  await withWorker(REQUIRED, {}, async (health) => {
    const server = createServer(health.handler()).listen(0, '127.0.0.1');
    try {
      await until(() => server.listening);
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect(await document(base)).toMatchObject({
        status: 503,
        body: { endpoints: { generate: 'notready' } },
      });
      health.endpoint('generate').ready();
      expect(await document(base, '/live')).toMatchObject({ status: 200, body: { status: 'ready' } });
      expect((await ask(`${base}/other`)).text).toBe('Route not found');
    } finally {
      server.close();
    }
  });
});

it('says event_loop.blocked while the main thread is blocked, and stays live', async () => {
  const script = `
    const { startHealth } = require('./dist/cjs/index.js');
    startHealth({ loopUnreadyMs: 200 }).then((health) => {
      health.endpoint('generate').ready();
      console.log('port ' + health.listeners[0].port);
      setTimeout(() => { for (const end = Date.now() + 3000; Date.now() < end; ); console.log('turns'); }, 300);
      setInterval(() => undefined, 1000);
    });`;
  const env = { DYN_SYSTEM_PORT: '0', DYN_SYSTEM_HOST: '127.0.0.1' };
  await withProgram([process.execPath, '-e', script], { env }, async (worker) => {
    const base = `http://127.0.0.1:${(await worker.prints(/^port (\d+)$/m))[1]}`;
    const { body } = await until(async () => {
      const answer = await document(base, '/health?verbose');
      return answer.status === 503 && answer.body.endpoints.generate === 'ready' && answer;
    });
    expect(body).toMatchObject({ status: 'notready', reasons: [{ code: 'event_loop.blocked' }] });
    expect((await ask(`${base}/livez`)).status).toBe(200);
    await worker.prints(/turns/);
    await until(async () => (await document(base)).status === 200);
  });
});

it('is nowhere to be asked for with DYN_SYSTEM_PORT=-1, and health works all the same', async () => {
  await withWorker({ DYN_SYSTEM_PORT: '-1' }, {}, async (health) => {
    expect(health.listeners).toEqual([]);
    await until(() => health.status().ready);
    await health.drain();
    await until(() => !health.status().ready);
  });
});

it('warns of a name that is nearly right', async () => {
  const lines: string[] = [];
  const note = (_fields: object, message = '') => void lines.push(message);
  const logger = { debug: note, info: note, warn: note, error: note };
  await withWorker({ DYN_SYSTEM_PROT: '9090' }, { logger }, async () => {
    expect(lines).toContain('the variable DYN_SYSTEM_PROT is not read (did you mean DYN_SYSTEM_PORT?)');
  });
});
