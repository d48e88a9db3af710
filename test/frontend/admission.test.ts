import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { post, withFleet } from './fleet.js';

const ONE = { names: ['one'], tokenMs: 20 };
const FULL_CLASS = { reservedTokens: 0, queueTimeoutMs: 60_000, promoteAfterMs: 60_000 };

const BEACON = {
  ...{ worker: 'recorder', incarnation: 'r', model: 'toy', state: 'serving', ready: true, engineStep: 0 },
  ...{ running: 0, waiting: 0, scheduledTokens: 0, activeTokens: 0 },
  ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
};

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: { code: string; message: string; param?: string } };
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...error };
}

async function metric(url: string, name: string): Promise<string[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(`inference_health_${name}`));
}

describe('a time limit', () => {
  it('ends an answer with 504, and the engine is told', async () => {
    await withFleet(ONE, async ({ url }, [worker]) => {
      const headers = { 'x-request-timeout-ms': '400' };
      const response = await post(url, { prompt: 'runs too long', max_tokens: 2000 }, { headers });
      expect(await errorOf(response)).toMatchObject({ status: 504, code: 'deadline_exceeded' });
      await until(() => worker!.cancelled.includes('runs too long'));
      expect(await metric(url, 'requests_total')).toEqual([
        'inference_health_requests_total{outcome="deadline"} 1',
      ]);
    });
  });

  it('ends a stream with an error event and no end of its own', async () => {
    await withFleet(ONE, async ({ url }, [worker]) => {
      const headers = { 'grpc-timeout': '1500m' };
      const body = { prompt: 'streams too long', max_tokens: 2000, stream: true };
      const response = await post(url, body, { headers });
      expect(response.status).toBe(200);
      const text = await response.text();
      expect(text).toContain('"code":"deadline_exceeded"');
      expect(text).not.toContain('[DONE]');
      await until(() => worker!.cancelled.includes('streams too long'));
    });
  });

  it('ends the wait in the queue, and the request never gets to a worker', async () => {
    await withFleet({ ...ONE, admission: { maxConcurrent: 1 } }, async (frontend) => {
      const { url } = frontend;
      const client = new AbortController();
      const first = post(url, { prompt: 'a', max_tokens: 2000 }, { signal: client.signal }).catch(() => null);
      await until(() => frontend.workers()[0]!.inFlight === 1);
      const headers = { 'x-request-timeout-ms': '200' };
      const error = await errorOf(await post(url, { prompt: 'b', max_tokens: 5 }, { headers }));
      expect(error).toMatchObject({ status: 504, code: 'deadline_exceeded' });
      expect(Number(error.retryAfter)).toBeGreaterThanOrEqual(1);
      client.abort();
      await first;
      await until(() => frontend.inFlight === 0);
    });
  });

  it('is told to the worker, less what has passed', async () => {
    const told: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      if (request.url === '/v1/beacons') {
        response.write(`${JSON.stringify(BEACON)}\n`);
        return;
      }
      told.push(request.headers['x-request-timeout-ms'] as string | undefined);
      response.writeHead(400).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const worker = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await using frontend = await startFrontend({ port: 0, workers: [worker] });
      await until(() => frontend.workers()[0]?.state === 'serving');
      await post(frontend.url, { prompt: 'a' }, { headers: { 'x-request-timeout-ms': '20000' } });
      await post(frontend.url, { prompt: 'a' });
      expect([Number(told[0]) > 0 && Number(told[0]) <= 20_000, told[1]]).toEqual([true, undefined]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('does nothing to what ends in time', async () => {
    await withFleet(ONE, async ({ url }) => {
      const headers = { 'x-request-timeout-ms': '20000', 'grpc-timeout': '1H' };
      expect((await post(url, { prompt: 'a', max_tokens: 3 }, { headers })).status).toBe(200);
    });
  });
});

describe('headers of a request', () => {
  const admission = { priorityHeader: 'X-Request-Priority', tenantHeader: 'X-Tenant' };
  it.each([
    ['x-request-timeout-ms', '0', 'an integer from 1 to 86400000'],
    ['x-request-timeout-ms', '1.5', 'an integer from 1 to 86400000'],
    ['x-request-timeout-ms', '99999999', 'an integer from 1 to 86400000'],
    ['grpc-timeout', '5', 'digits and one of H M S m u n'],
    ['grpc-timeout', '0S', 'digits and one of H M S m u n'],
    ['x-request-priority', 'urgent', 'interactive or default or bulk'],
    ['x-tenant', 'a b', '1 to 128 visible ASCII characters'],
    ['x-tenant', 'a'.repeat(129), '1 to 128 visible ASCII characters'],
  ])('are refused by name where they are wrong: %s: %s', async (name, value, expected) => {
    // Nobody is there; the request does not get that far.
    const frontend = await startFrontend({ port: 0, workers: ['http://127.0.0.1:9'], admission });
    try {
      const response = await post(frontend.url, { prompt: 'a' }, { headers: { [name]: value } });
      const error = await errorOf(response);
      expect(error.status).toBe(400);
      expect(error.param?.toLowerCase()).toBe(name);
      expect(error.message).toContain(expected);
    } finally {
      await frontend.close();
    }
  });

  it('mean nothing where no header is named for them', async () => {
    await withFleet(ONE, async ({ url }) => {
      const headers = { 'x-request-priority': 'no such class', 'x-tenant': 'a b' };
      expect((await post(url, { prompt: 'a', max_tokens: 1 }, { headers })).status).toBe(200);
      expect(await metric(url, 'tenant_')).toEqual([]);
    });
  });

  it('let the more important go first', async () => {
    const options = { ...ONE, admission: { ...admission, maxConcurrent: 1 } };
    await withFleet(options, async (frontend) => {
      const { url } = frontend;
      const order: string[] = [];
      const ask = async (priority: string, maxTokens: number) => {
        const headers = { 'x-request-priority': priority };
        const response = await post(url, { prompt: priority, max_tokens: maxTokens }, { headers });
        await response.text();
        order.push(priority);
      };
      const all = [ask('default', 100)];
      await until(() => frontend.workers()[0]!.inFlight === 1);
      all.push(ask('bulk', 2));
      await until(() => frontend.inFlight === 2);
      all.push(ask('interactive', 2));
      await Promise.all(all);
      expect(order).toEqual(['default', 'interactive', 'bulk']);
    });
  });

  it('are classes of the configuration where it has some', async () => {
    const classes = [
      { name: 'paid', maxQueue: 10, ...FULL_CLASS },
      { name: 'free', maxQueue: 0, ...FULL_CLASS },
    ];
    const options = { ...ONE, admission: { ...admission, maxConcurrent: 1, classes } };
    await withFleet(options, async (frontend) => {
      const { url } = frontend;
      const ask = (priority: string) =>
        post(url, { prompt: 'a', max_tokens: 60 }, { headers: { 'x-request-priority': priority } });
      const first = ask('paid');
      await until(() => frontend.workers()[0]!.inFlight === 1);
      const second = ask('paid');
      expect(await errorOf(await ask('free'))).toMatchObject({ status: 503, code: 'overloaded' });
      expect([(await first).status, (await second).status]).toEqual([200, 200]);
    });
  });

  it('are fair to a tenant beside one with many requests, and name none in metrics that is not configured', async () => {
    const options = { ...ONE, tokenMs: 5, admission: { ...admission, maxConcurrent: 1, tenants: ['small'] } };
    await withFleet(options, async (frontend) => {
      const { url } = frontend;
      const order: string[] = [];
      const ask = async (tenant: string) => {
        const headers = { 'x-tenant': tenant };
        await (await post(url, { prompt: 'a', max_tokens: 60 }, { headers })).text();
        order.push(tenant);
      };
      const many = Array.from({ length: 10 }, () => ask('large'));
      await until(() => frontend.inFlight === 10);
      await ask('small');
      expect(order.length).toBeLessThan(6);
      await Promise.all(many);
      expect((await metric(url, 'tenant_requests_total')).sort()).toEqual([
        'inference_health_tenant_requests_total{tenant="other",outcome="success"} 10',
        'inference_health_tenant_requests_total{tenant="small",outcome="success"} 1',
      ]);
    });
  });
});

describe('a refusal for load', () => {
  it('comes before the body is looked at where nobody has a place, and is counted as any other', async () => {
    const admission = { maxConcurrent: 1, classes: [{ name: 'default', maxQueue: 0, ...FULL_CLASS }] };
    await withFleet({ ...ONE, admission }, async (frontend) => {
      const { url } = frontend;
      const client = new AbortController();
      const first = post(url, { prompt: 'a', max_tokens: 2000 }, { signal: client.signal }).catch(() => null);
      await until(() => frontend.workers()[0]!.inFlight === 1);
      const ask = () =>
        fetch(`${url}/v1/completions`, {
          ...{ method: 'POST', headers: { 'x-request-id': 'mine' }, body: '{"prompt": "no end of it' },
        });
      const refused = await ask();
      expect(refused.headers.get('x-request-id')).toBe('mine');
      const error = await errorOf(refused);
      expect(error).toMatchObject({ status: 503, code: 'overloaded' });
      expect(error.message).toContain('queue_full');
      expect(Number(error.retryAfter)).toBeGreaterThanOrEqual(1);
      expect(await metric(url, 'rejections_total')).toEqual([
        'inference_health_rejections_total{reason="queue_full"} 1',
      ]);
      expect(await metric(url, 'requests_total{outcome="rejected"}')).toEqual([
        'inference_health_requests_total{outcome="rejected"} 1',
      ]);
      expect(await metric(url, 'rejection_duration_seconds_count')).toEqual([
        'inference_health_rejection_duration_seconds_count 1',
      ]);
      client.abort();
      await first;
      await until(() => frontend.inFlight === 0);
      // With a place for it the body counts again.
      expect((await ask()).status).toBe(400);
    });
  });

  it('says when there will be room, as fast as the pool has served', async () => {
    const classes = [{ name: 'default', maxQueue: 0, ...FULL_CLASS }];
    const options = { ...ONE, admission: { maxConcurrent: 1, classes }, overloadStatus: 529 };
    await withFleet(options, async (frontend) => {
      const { url } = frontend;
      // 20 ms a token: less than 50 a second.
      await (await post(url, { prompt: 'a', max_tokens: 40 })).text();
      const [speed = ''] = await metric(url, 'pool_tokens_per_second');
      expect(Number(speed.split(' ')[1])).toBeLessThan(60);
      const client = new AbortController();
      const first = post(url, { prompt: 'a', max_tokens: 700 }, { signal: client.signal }).catch(() => null);
      await until(() => frontend.workers()[0]!.inFlight === 1);
      const error = await errorOf(await post(url, { prompt: 'a', max_tokens: 5 }));
      expect(error).toMatchObject({ status: 529, code: 'overloaded' });
      // 700 tokens at less than 50 a second, up to a fifth more at random.
      expect(Number(error.retryAfter)).toBeGreaterThanOrEqual(11);
      expect(Number(error.retryAfter)).toBeLessThanOrEqual(60);
      client.abort();
      await first;
    });
  });

  it('comes once a first token in time cannot be had any more', async () => {
    const options = { ...ONE, admission: { maxConcurrent: 1, firstTokenMs: 300 } };
    await withFleet(options, async (frontend) => {
      const { url } = frontend;
      const client = new AbortController();
      const first = post(url, { prompt: 'a', max_tokens: 2000 }, { signal: client.signal }).catch(() => null);
      await until(() => frontend.workers()[0]!.inFlight === 1);
      const startMs = performance.now();
      const error = await errorOf(await post(url, { prompt: 'b', max_tokens: 5 }));
      expect(performance.now() - startMs).toBeLessThan(20_000);
      expect(error).toMatchObject({ status: 503, code: 'overloaded' });
      expect(error.retryAfter).not.toBeNull();
      expect(await metric(url, 'admission_limit_tokens')).toEqual([
        'inference_health_admission_limit_tokens 32768',
      ]);
      client.abort();
      await first;
    });
  });

  it.each([
    [{ firstTokenMs: 0 }, /admission\.firstTokenMs: expected a number from 1 to 86400000, received 0/],
    [{ priorityHeader: 'a b' }, /admission\.priorityHeader: expected the name of a header, received "a b"/],
    [{ classes: [] }, /admission\.classes: expected an array of 1 to 16 classes/],
    [
      { classes: [{ name: 'a', maxQueue: -1, ...FULL_CLASS }] },
      /admission\.classes\[0\]\.maxQueue: expected a number from 0/,
    ],
    [{ maxConcurrent: 0 }, /admission\.maxConcurrent: expected a number from 1/],
  ])('is not set up with %j', async (admission, message) => {
    await expect(startFrontend({ port: 0, workers: ['http://127.0.0.1:9'], admission })).rejects.toThrow(
      message,
    );
  });
});
