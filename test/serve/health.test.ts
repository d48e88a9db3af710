import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Health, RejectionError, RequestScope } from '../../lib/index.js';
import { withChild } from '../helpers/child.js';
import { until, withHealth } from '../helpers/package.js';
import { gate } from './set-up.js';

const json = async (url: string): Promise<Record<string, unknown>> =>
  (await (await fetch(url)).json()) as Record<string, unknown>;

/** A streaming server as docs/cancellation.md has it. */
async function withServer(
  health: Health,
  handler: (request: string, scope: RequestScope) => AsyncIterable<{ text: string; tokens: number }>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const generate = health.endpoint('generate').serve(handler);
  const answer = async (prompt: string, response: ServerResponse): Promise<void> => {
    const client = new AbortController();
    response.once('close', () => client.abort());
    const frames = generate.call(prompt, { signal: client.signal });
    try {
      for await (const { text } of frames) response.write(`data: ${text}\n\n`);
      response.end('data: [DONE]\n\n');
    } catch (error) {
      const { statusCode = 500, code, headers = {} } = error as RejectionError;
      if (!response.headersSent) response.writeHead(statusCode, headers).end(code);
      else response.end(`event: error\ndata: ${code}\n\n`);
    }
  };
  const server = createServer((request, response) => void answer(request.url ?? '', response));
  server.listen(0, '127.0.0.1');
  await until(() => server.listening);
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a server with a served endpoint', () => {
  test('streams, counts, and says in every place what it does', async () => {
    await withHealth({ limits: { maxConcurrent: 1, maxQueue: 0 } }, async (health, base) => {
      const release = gate();
      const held = health.endpoint('generate').hold('warmup');
      async function* handler(prompt: string) {
        yield { text: prompt, tokens: 3 };
        await release.opened;
        yield { text: 'end', tokens: 2 };
      }
      await withServer(health, handler, async (url) => {
        expect(await (await fetch(`${base}/readyz?verbose`)).text()).toContain('endpoint.warmup');
        held.release();
        await until(() => health.status().ready);
        const streaming = await fetch(`${url}/first`);
        health.load.report({ running: 1, waiting: 0, kvBlocksUsed: 7, kvBlocksTotal: 10, prefillTokens: 96 });
        const refused = await fetch(`${url}/second`);
        expect([refused.status, refused.headers.get('retry-after'), await refused.text()]).toEqual([
          503,
          '1',
          'ERR_OVERLOADED',
        ]);
        const { load, metrics } = await json(`${base}/health`);
        expect(metrics).toMatchObject({ active_requests: 1 });
        expect(load).toEqual({
          admitted: 1,
          queued: 0,
          rejected: 1,
          max_concurrent: 1,
          max_queue: 0,
          running: 1,
          waiting: 0,
          kv_blocks_used: 7,
          kv_blocks_total: 10,
          prefill_tokens: 96,
          age_ms: expect.any(Number),
        });
        expect(await (await fetch(`${base}/readyz?verbose`)).text()).toContain(
          '[+]load 1 of 1 admitted, 0 of 0 queued, running 1, waiting 0, kv_blocks_used 7, kv_blocks_total 10, prefill_tokens 96\n',
        );
        const text = await (await fetch(`${base}/metrics`)).text();
        expect(text).toContain('inference_health_rejections_total{reason="queue_full"} 1\n');
        expect(text).toContain('inference_health_requests_admitted 1\n');
        expect(text).toContain('inference_health_requests_admitted_limit 1\n');
        expect(text).toContain('inference_health_engine_kv_blocks_used 7\n');
        release.open();
        expect(await streaming.text()).toBe('data: /first\n\ndata: end\n\ndata: [DONE]\n\n');
        await until(async () => ((await json(`${base}/health`)).load as { admitted: number }).admitted === 0);
        const after = await json(`${base}/health`);
        expect(after.load).toMatchObject({ admitted: 0, rejected: 1 });
        expect(after.metrics).toMatchObject({ active_requests: 0, total_requests: 1 });
      });
    });
  });

  test('tells the engine when the client hangs up', async () => {
    await withHealth({}, async (health) => {
      const stopped = gate();
      async function* handler(_: string, scope: RequestScope) {
        yield { text: 'first', tokens: 1 };
        await new Promise((resolve) => scope.stopSignal.addEventListener('abort', resolve));
        stopped.open();
      }
      await withServer(health, handler, async (url) => {
        const client = new AbortController();
        const response = await fetch(url, { signal: client.signal });
        await response.body!.getReader().read();
        client.abort();
        await stopped.opened;
      });
    });
  });

  test('turns readiness to 503 before it refuses, finishes what runs, and serves again after resume', async () => {
    await withHealth({}, async (health, base) => {
      const release = gate();
      async function* handler() {
        yield { text: 'first', tokens: 1 };
        await release.opened;
        yield { text: 'last', tokens: 1 };
      }
      await withServer(health, handler, async (url) => {
        await until(() => health.status().ready);
        const streaming = await fetch(url);
        const drained = health.drain();
        expect(health.status().ready).toBe(false);
        const isRefusing = (): Promise<boolean> =>
          health.admit().then(
            (permit) => {
              permit.release();
              return false;
            },
            (error: RejectionError) => error.code === 'ERR_DRAINING',
          );
        await until(isRefusing);
        expect((await fetch(`${base}/readyz`)).status).toBe(503);
        const refused = await fetch(url);
        expect([refused.status, await refused.text()]).toEqual([503, 'ERR_DRAINING']);
        expect(refused.headers.get('retry-after')).toBe('1');
        release.open();
        expect(await streaming.text()).toContain('data: last\n\ndata: [DONE]');
        await drained;
        health.resume();
        await until(async () => !(await isRefusing()));
        // The drain has closed idle connections, perhaps the one that fetch would take.
        await until(async () => (await fetch(url).catch(() => null))?.status === 200);
      });
    });
  });

  test('gives permits to any framework', async () => {
    await withHealth({ limits: { maxConcurrent: 2, maxQueue: 1, queueTimeoutMs: 50 } }, async (health) => {
      const permits = [await health.admit(), await health.admit({ deadlineMs: 1000 })];
      await expect(health.admit()).rejects.toMatchObject({ code: 'ERR_OVERLOADED', reason: 'queue_timeout' });
      permits[0]!.release();
      const again = await health.admit();
      again[Symbol.dispose]();
      permits[1]!.release();
    });
  });
});

describe('with a blocked main thread', () => {
  test('the load is still shown, and a drain waits for no handler that was killed and is deaf', async () => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', limits: { maxConcurrent: 2, maxQueue: 0 } });
      const endpoint = health.endpoint('generate').serve(async function* () { yield 1; await new Promise(() => {}); });
      const call = endpoint.call(null, { id: 'deaf' });
      await call.next();
      const pending = call.next().catch(({ code }) => code);
      const permit = await health.admit();
      await health.admit().catch(() => {});
      health.load.report({ running: 1, kvBlocksUsed: 5 });
      say(health.listeners[0]);
      block(2000);
      permit.release();
      endpoint.cancel('deaf', 'kill');
      const code = await pending;
      const began = Date.now();
      await health.drain();
      say({ code, drainMs: Date.now() - began });
      process.exit(0);
    `;
    await withChild(source, async (child) => {
      const { port } = await child.message<{ port: number }>();
      const base = `http://127.0.0.1:${port}`;
      expect((await json(`${base}/health`)).load).toMatchObject({
        admitted: 2,
        rejected: 1,
        running: 1,
        kv_blocks_used: 5,
      });
      const text = await (await fetch(`${base}/metrics`)).text();
      expect(text).toContain('inference_health_requests_admitted 2\n');
      expect(text).toContain('inference_health_rejections_total{reason="queue_full"} 1\n');
      const { code, drainMs } = await child.message<{ code: string; drainMs: number }>();
      expect(code).toBe('ERR_CANCELLED');
      expect(drainMs).toBeLessThan(15_000);
      expect(await child.exit()).toBe(0);
    });
  });
});
