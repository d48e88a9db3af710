import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { baseUrl, startHealth, until, withHealth } from '../helpers/package.js';

const ENGINES = ['uws', 'http'] as const;
const LOOPBACK = { port: 0, host: '127.0.0.1' } as const;
const status = async (url: string): Promise<number> => (await fetch(url)).status;

describe('starting', () => {
  it('twice in a process is ERR_ALREADY_STARTED, and possible again after close', async () => {
    await withHealth({}, async () => {
      await expect(startHealth(LOOPBACK)).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' });
    });
    await withHealth({}, async (_health, base) => expect(await status(`${base}/livez`)).toBe(200));
  });

  it.each(ENGINES)(
    'on a port in use fails with its name on %s, and leaves nothing behind',
    async (httpEngine) => {
      const other = createTcpServer().listen(0, '127.0.0.1');
      await until(() => other.listening);
      const { port } = other.address() as AddressInfo;
      const failed = startHealth({ port, host: '127.0.0.1', httpEngine });
      await expect(failed).rejects.toMatchObject({
        code: 'ERR_PORT_IN_USE',
        message: expect.stringContaining(`127.0.0.1:${port}`),
      });
      await withHealth({ httpEngine }, async (_health, base) =>
        expect(await status(`${base}/livez`)).toBe(200),
      );
      other.close();
    },
  );

  it.each(ENGINES)('with one of two listeners in use starts neither on %s', async (httpEngine) => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await until(() => other.listening);
    const { port } = other.address() as AddressInfo;
    const free = createTcpServer().listen(0, '127.0.0.1');
    await until(() => free.listening);
    const { port: freePort } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const listeners = [
      { port: freePort, host: '127.0.0.1' },
      { port, host: '127.0.0.1' },
    ];
    await expect(startHealth({ listeners, httpEngine })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' });
    await expect(fetch(`http://127.0.0.1:${freePort}/livez`)).rejects.toThrow();
    other.close();
  });

  it.each([
    [{ port: 0, host: 'not-an-address' }, 'ERR_HOST_INVALID'],
    [{ port: 0, host: '203.0.113.77' }, 'ERR_HOST_INVALID'],
    [{ port: -1 }, 'ERR_CONFIG_INVALID'],
  ])('with %j is %s', async (options, code) => {
    await expect(startHealth(options)).rejects.toMatchObject({ code });
  });

  it('with a signal that is aborted already does not start', async () => {
    await expect(startHealth({ ...LOOPBACK, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('on a unix socket answers there with mode 0600 and removes it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ih-'));
    const path = join(directory, 'health.sock');
    await withHealth({ listeners: [{ path }] }, async (health) => {
      expect(health.listeners).toEqual([{ kind: 'unix', path }]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const code = await new Promise((resolve) =>
        request({ socketPath: path, path: '/livez' }, (answer) => resolve(answer.statusCode)).end(),
      );
      expect(code).toBe(200);
    });
    expect(() => statSync(path)).toThrow();
    rmSync(directory, { recursive: true });
  });
});

describe.each(ENGINES)('ending on %s', (httpEngine) => {
  const start = `const health = await startHealth({ port: 0, host: '127.0.0.1', httpEngine: '${httpEngine}' }); say(health.listeners[0]);`;

  it.each([
    ['by running out of work', '', 0],
    ['by close()', 'await health.close();', 0],
    ['by process.exit(5)', 'process.exit(5);', 5],
    [
      'by process.exit(5) before the start is awaited',
      'await health.close(); startHealth({ port: 0 }); process.exit(5);',
      5,
    ],
    ['by an uncaught exception', "setImmediate(() => { throw new Error('boom'); });", 1],
    ['by an unhandled rejection', "Promise.reject(new Error('boom'));", 1],
    ['by process.exitCode', 'process.exitCode = 7;', 7],
  ])('%s keeps the exit code', async (_name, source, code) => {
    await withChild(`${start}${source}`, async (child) => {
      await child.message();
      expect(await child.exit(), child.stderr()).toBe(code);
    });
  });

  it('by SIGTERM is by SIGTERM, with a connection open', async () => {
    await withChild(`${start} setInterval(() => {}, 1000);`, async (child) => {
      const { port } = await child.message<{ port: number }>();
      expect(await status(`http://127.0.0.1:${port}/livez`)).toBe(200);
      child.process.kill('SIGTERM');
      expect(await child.exit()).toBe('SIGTERM');
    });
  });

  it('by an aborted signal closes the port', async () => {
    const controller = new AbortController();
    const health = await startHealth({ ...LOOPBACK, httpEngine, signal: controller.signal });
    const base = baseUrl(health);
    controller.abort();
    await health.close();
    await expect(fetch(`${base}/livez`)).rejects.toThrow();
  });

  it('again and again leaves no descriptor and no thread', async () => {
    const count = (path: string): number => readdirSync(path).length;
    const once = async (): Promise<void> => {
      await withHealth({ httpEngine }, async (_health, base) => {
        expect(await status(`${base}/health`)).toBeGreaterThan(0);
      });
    };
    for (let round = 0; round < 3; round += 1) await once();
    const before = { fds: count('/proc/self/fd'), threads: count('/proc/self/task') };
    for (let round = 0; round < 10; round += 1) await once();
    // fetch keeps its own connections for a while; what leaked per start would be ten or more.
    await until(
      () => count('/proc/self/fd') <= before.fds + 4 && count('/proc/self/task') <= before.threads + 1,
    );
  });
});

describe('a probe thread', () => {
  /** The Worker object of the probe thread that `use` starts. */
  async function withProbeWorker(
    httpEngine: 'uws' | 'http',
    use: (worker: Worker, base: string) => Promise<void>,
  ): Promise<void> {
    const workers: Worker[] = [];
    const onWorker = (message: unknown): void => {
      workers.push((message as { worker: Worker }).worker);
    };
    subscribe('worker_threads', onWorker);
    try {
      await withHealth({ httpEngine, startupGraceMs: 0 }, async (_health, base) =>
        use(workers[0] as Worker, base),
      );
    } finally {
      unsubscribe('worker_threads', onWorker);
    }
  }

  it.each(ENGINES)('that meets an error keeps answering on %s', async (httpEngine) => {
    await withProbeWorker(httpEngine, async (worker, base) => {
      worker.postMessage({ type: 'event', id: 1, event: null });
      worker.postMessage({ type: 'event', id: 2, event: { type: 'sample', facts: null } });
      await until(async () => (await status(`${base}/health/ready`)) === 200);
      expect(await status(`${base}/livez`)).toBe(200);
    });
  });

  it('that dies is replaced on the same port, with its state, and counted', async () => {
    await withHealth({ httpEngine: 'http', startupGraceMs: 0 }, async () => undefined);
    await withProbeWorker('http', async (worker, base) => {
      await until(async () => (await status(`${base}/health/ready`)) === 200);
      await worker.terminate();
      await until(async () => (await status(`${base}/health/ready`).catch(() => 0)) === 200);
      const metrics = await until(async () => {
        const answer = await fetch(`${base}/metrics`);
        return answer.status === 200 && answer.text();
      });
      expect(metrics).toMatch(/inference_health_probe_thread_replacements_total 1/);
    });
  });
});

describe('shutting down by a signal', () => {
  const server = (gracePeriodMs: number): string => `
    const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, shutdown: { gracePeriodMs: ${gracePeriodMs} } });
    health.on('drain', () => say({ drain: true }));
    const request = health.requests.begin();
    setInterval(() => {}, 1000);
    process.stdin.once('data', () => { request.end(); process.stdin.destroy(); });
    say(health.listeners[0]);
  `;

  it('turns readiness 503 at once, waits for what is in flight and exits with 0', async () => {
    await withChild(server(30_000), async (child) => {
      const { port } = await child.message<{ port: number }>();
      child.process.kill('SIGTERM');
      await child.message();
      await until(async () => (await status(`http://127.0.0.1:${port}/readyz`)) === 503);
      expect(await status(`http://127.0.0.1:${port}/livez`)).toBe(200);
      child.process.stdin?.write('x');
      expect(await child.exit()).toBe(0);
    });
  });

  it('exits with 75 when the grace period is over first', async () => {
    await withChild(server(1500), async (child) => {
      await child.message();
      child.process.kill('SIGINT');
      expect(await child.exit()).toBe(75);
    });
  });

  it('installs no handler unless asked', async () => {
    await withHealth({}, async () => {
      expect(process.listenerCount('SIGTERM')).toBe(0);
      expect(process.listenerCount('uncaughtException')).toBeLessThanOrEqual(2);
    });
  });
});

describe('the handle', () => {
  it('shows what was said at once, and tells listeners when the verdict changes', async () => {
    await withHealth({}, async (health) => {
      await until(() => health.status().ready);
      const seen: boolean[] = [];
      health.on('status', ({ ready }) => seen.push(ready));
      health.model.loading();
      expect(health.status()).toMatchObject({
        ready: false,
        reasons: expect.arrayContaining([expect.objectContaining({ code: 'model.loading' })]),
      });
      health.model.ready();
      expect(health.status().ready).toBe(true);
      health.model.failed('x');
      await until(() => seen.at(-1) === false);
    });
  });

  it('reports checks, isolated from each other and from probes', async () => {
    await withHealth({ startupGraceMs: 0 }, async (health, base) => {
      health.check('good', () => undefined, { intervalMs: 50 });
      health.check(
        'bad',
        () => {
          throw new Error('down');
        },
        { intervalMs: 50 },
      );
      const hanging = health.check('hanging', () => new Promise(() => undefined), {
        timeoutMs: 100,
        critical: true,
      });
      const components = await until(async () => {
        const document = (await (await fetch(`${base}/health`)).json()) as {
          components: Record<string, { status: string; reason: string | null }>;
        };
        return document.components.hanging?.status === 'unhealthy' && document.components;
      });
      expect(components).toMatchObject({
        good: { status: 'healthy', reason: null },
        bad: { status: 'unhealthy', reason: 'bad.check_failed' },
        hanging: { status: 'unhealthy', reason: 'hanging.check_timeout' },
      });
      expect(await status(`${base}/readyz`)).toBe(503);
      hanging.stop();
      await until(async () => (await status(`${base}/readyz`)) === 200);
      expect(() => health.check('good', () => undefined)).toThrow(/exists already/);
      expect(() => health.check('memory', () => undefined)).toThrow(/observed by the library itself/);
    });
  });

  it('is not ready until every endpoint is', async () => {
    await withHealth({}, async (health, base) => {
      await until(async () => (await status(`${base}/readyz`)) === 200);
      const generate = health.endpoint('generate');
      await until(async () => (await status(`${base}/readyz`)) === 503);
      generate.ready();
      await until(async () => (await status(`${base}/readyz`)) === 200);
      generate.notReady('warming');
      await until(async () =>
        (await (await fetch(`${base}/readyz?verbose`)).text()).includes('endpoint.warming'),
      );
    });
  });

  it('counts requests that the documents show', async () => {
    await withHealth({}, async (health, base) => {
      const requests = [health.requests.begin(), health.requests.begin(), health.requests.begin()];
      requests[0]?.tokens(120);
      requests[0]?.end();
      requests[1]?.fail(new Error('x'));
      const { metrics } = (await (await fetch(`${base}/health`)).json()) as {
        metrics: Record<string, number>;
      };
      expect(metrics).toMatchObject({ active_requests: 1, total_requests: 3, error_rate_percent: 50 });
      expect(metrics.tokens_per_second).toBeGreaterThan(0);
    });
  });

  it('serves the same on the application’s own port, and leaves the rest to it', async () => {
    await withHealth({ startupGraceMs: 0 }, async (health) => {
      const handler = health.handler();
      const server = createServer((incoming, outgoing) =>
        handler(incoming, outgoing, () => outgoing.end('application')),
      );
      server.listen(0, '127.0.0.1');
      await until(() => server.listening);
      const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await until(async () => (await status(`${own}/readyz`)) === 200);
      expect(await (await fetch(`${own}/generate`)).text()).toBe('application');
      const document = await fetch(`${own}/health?x=1`);
      expect(document.headers.get('cache-control')).toBe('no-store');
      expect(((await document.json()) as { phase: string }).phase).toBe('serving');
      expect(await (await fetch(`${own}/metrics`)).text()).toContain('inference_health_live 1');
      expect((await fetch(`${own}/health`, { method: 'POST' })).status).toBe(405);
      health.model.loading();
      expect(await status(`${own}/readyz`)).toBe(503);
      server.closeAllConnections();
      server.close();
    });
  });

  it('refuses nonsense by name', async () => {
    await withHealth({}, async (health) => {
      expect(() => health.component('memory')).toThrow(/'memory' is observed by the library itself/);
      expect(() => health.component('a b')).toThrow(/expected a name of 1 to 64 letters/);
      expect(() => health.component('x').set('fine' as 'healthy')).toThrow(/component x: status/);
      expect(() => health.endpoint('')).toThrow(/endpoint: expected a name/);
    });
  });
});
