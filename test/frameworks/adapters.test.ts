import { once } from 'node:events';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Health, HealthOptions } from '../../lib/index.js';
import { baseUrl, startHealth, until } from '../helpers/package.js';
import { APPS, type App, type Build, honoApp, httpHealth } from './apps.js';

const LIMITS: HealthOptions = { limits: { maxConcurrent: 1, maxQueue: 0 } };

interface Metrics {
  readonly total_requests: number;
  readonly active_requests: number;
  readonly error_rate_percent: number;
  readonly tokens_per_second: number;
}

let health: Health;
let openGate: () => void;
let gate: { readonly open: Promise<void> };
let app: App | null;

beforeEach(() => {
  app = null;
  gate = {
    open: new Promise((resolve) => {
      openGate = resolve;
    }),
  };
});
afterEach(async () => {
  openGate();
  await app?.close();
  await health.close();
});

async function start(build: Build, options: HealthOptions = {}, adapter = {}): Promise<string> {
  health = await startHealth({ port: 0, host: '127.0.0.1', ...options });
  app = await build(health, gate, adapter);
  return app.base;
}

const metrics = async (): Promise<Metrics> =>
  ((await (await fetch(`${baseUrl(health)}/health`)).json()) as { metrics: Metrics }).metrics;
const queued = async (): Promise<number> =>
  ((await (await fetch(`${baseUrl(health)}/health`)).json()) as { load: { queued: number } }).load.queued;
const settled = (total: number): Promise<Metrics> =>
  until(async () => {
    const current = await metrics();
    return current.active_requests === 0 && current.total_requests === total && current;
  });
const get = async (url: string): Promise<[number, string]> => {
  const response = await fetch(url);
  return [response.status, await response.text()];
};
/** A request that the application is answering: its first bytes are here. */
async function inFlight(base: string, signal?: AbortSignal): Promise<() => Promise<string>> {
  const response = await fetch(`${base}/slow`, signal === undefined ? {} : { signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value ?? '';
  return async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += value;
    }
  };
}

describe.each(Object.entries(APPS))('health in %s', (_name, build) => {
  it('answers health routes, which do not count, and leaves the rest to the application', async () => {
    const base = await start(build);
    const [status, body] = await get(`${base}/health`);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ status: 'healthy' });
    expect(await get(`${base}/livez?verbose`)).toEqual([200, expect.stringContaining('livez check passed')]);
    expect((await fetch(`${base}/readyz`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${base}/readyz`, { method: 'HEAD' })).status).toBe(200);
    expect(await get(`${base}/metrics`)).toEqual([200, expect.stringContaining('inference_health_ready 1')]);
    expect((await metrics()).total_requests).toBe(0);
    expect((await get(`${base}/nothing`))[0]).toBe(404);
    await settled(1);
  });

  it('counts requests, their tokens and their failures', async () => {
    const base = await start(build);
    expect(await get(`${base}/hello`)).toEqual([200, 'hello']);
    expect(await settled(1)).toMatchObject({ error_rate_percent: 0 });
    expect((await metrics()).tokens_per_second).toBeGreaterThan(0);
    expect((await get(`${base}/broken`))[0]).toBe(500);
    expect(await settled(2)).toMatchObject({ error_rate_percent: 50 });
  });

  it('counts a stream until its end, and one that its client left as failed', async () => {
    const base = await start(build);
    const rest = await inFlight(base);
    const gone = new AbortController();
    await inFlight(base, gone.signal);
    expect((await metrics()).active_requests).toBe(2);
    gone.abort();
    await until(async () => (await metrics()).active_requests === 1);
    openGate();
    expect(await rest()).toBe('slow end');
    expect(await settled(2)).toMatchObject({ error_rate_percent: 50 });
  });

  it('refuses what is over the limits with 503 and Retry-After, and does not count it as a request', async () => {
    const base = await start(build, LIMITS);
    const rest = await inFlight(base);
    const refused = await fetch(`${base}/hello`);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toEqual({
      error: { code: 'ERR_OVERLOADED', message: expect.stringContaining('queue') },
    });
    // Probes are no requests.
    expect((await get(`${base}/livez`))[0]).toBe(200);
    openGate();
    expect(await rest()).toBe('slow end');
    expect(await get(`${base}/hello`)).toEqual([200, 'hello']);
    expect(await settled(2)).toMatchObject({ error_rate_percent: 0 });
  });

  it('lets a request wait for its turn, and one whose client left the queue takes no place', async () => {
    const base = await start(build, { limits: { maxConcurrent: 1, maxQueue: 2 } });
    const rest = await inFlight(base);
    const gone = new AbortController();
    const left = fetch(`${base}/hello`, { signal: gone.signal }).catch(() => 'left');
    const waits = get(`${base}/hello`);
    await until(async () => (await queued()) === 2);
    gone.abort();
    expect(await left).toBe('left');
    // The server learns it from the socket.
    await until(async () => (await queued()) === 1);
    openGate();
    await rest();
    expect(await waits).toEqual([200, 'hello']);
    expect(await get(`${base}/hello`)).toEqual([200, 'hello']);
    await settled(3);
  });

  it('refuses new requests while draining and closes their connections; what is in flight ends', async () => {
    const base = await start(build);
    const rest = await inFlight(base);
    const drained = health.drain();
    // Idle connections are closed meanwhile, and fetch may just be using one.
    const again = <T>(ask: () => Promise<T>) => until(() => ask().catch(() => null));
    const refused = await again(async () => {
      const response = await fetch(`${base}/hello`);
      return response.status === 503 && response;
    });
    expect(await refused.json()).toMatchObject({ error: { code: 'ERR_DRAINING' } });
    expect(refused.headers.get('connection')).toBe('close');
    expect((await again(() => get(`${base}/readyz`)))[0]).toBe(503);
    expect((await again(() => get(`${base}/livez`)))[0]).toBe(200);
    openGate();
    expect(await rest()).toBe('slow end');
    await drained;
  });

  it('leaves health routes, counting and admission to others where told so', async () => {
    const track = (method: string, path: string) => method === 'GET' && path === '/slow';
    const base = await start(build, LIMITS, { routes: false, track });
    expect((await get(`${base}/livez`))[0]).toBe(404);
    const rest = await inFlight(base);
    expect(await get(`${base}/hello`)).toEqual([200, 'hello']);
    expect((await get(`${base}/slow?again`))[0]).toBe(503);
    openGate();
    await rest();
    await settled(1);
  });

  it('counts without admission where told so', async () => {
    const base = await start(build, LIMITS, { admit: false });
    const both = [await inFlight(base), await inFlight(base)];
    expect((await metrics()).active_requests).toBe(2);
    openGate();
    expect(await Promise.all(both.map((rest) => rest()))).toEqual(['slow end', 'slow end']);
    await settled(2);
  });
});

describe('hono without node:http', () => {
  const request = async (hono: ReturnType<typeof honoApp>, path: string) => hono.request(path);

  it('answers health routes and counts a streamed body to its end, or to its cancel', async () => {
    health = await startHealth({ port: 0, host: '127.0.0.1' });
    const hono = honoApp(health, gate);
    expect((await request(hono, '/livez')).status).toBe(200);
    expect(await (await request(hono, '/hello')).text()).toBe('hello');
    const slow = await request(hono, '/slow');
    const left = await request(hono, '/slow');
    await until(async () => (await metrics()).active_requests === 2);
    await left.body!.cancel();
    await until(async () => (await metrics()).active_requests === 1);
    openGate();
    expect(await slow.text()).toBe('slow end');
    expect((await settled(3)).error_rate_percent).toBeCloseTo(33.3, 0);
    expect((await request(hono, '/broken')).status).toBe(500);
    await settled(4);
  });
});

describe('node:http2', () => {
  it('counts streams of one connection by how each ends, and refuses while draining', async () => {
    health = await startHealth({ port: 0, host: '127.0.0.1' });
    const listener = httpHealth(health, (request, response) => {
      if (request.url === '/slow') response.write('slow');
      else response.end('hello');
    });
    const server = createHttp2Server(listener as never).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const statusOf = async (path: string): Promise<unknown> => {
      const [headers] = await once(client.request({ ':path': path }), 'response');
      return headers[':status'];
    };
    try {
      expect([await statusOf('/hello'), await statusOf('/livez')]).toEqual([200, 200]);
      const slow = client.request({ ':path': '/slow' });
      await once(slow, 'data');
      expect((await metrics()).active_requests).toBe(1);
      slow.close(8);
      expect(await settled(2)).toMatchObject({ error_rate_percent: 50 });
      await health.drain();
      expect(await statusOf('/hello')).toBe(503);
    } finally {
      client.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
