import { describe, expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { post, startToy, stream, type ToyWorker, withFleet } from './fleet.js';
import { survives } from './survival.js';

describe.concurrent('a frontend', () => {
  it('is 503 with Retry-After without workers, says so on /health, and recovers by itself', async () => {
    await withFleet({ names: ['one'] }, async (frontend, workers) => {
      const [worker] = workers as [ToyWorker];
      const health = async () => (await fetch(`${frontend.url}/health`)).text();
      expect(await health()).toContain(`"transport":{"http":"${worker.url}"}`);
      worker.child.kill('SIGKILL');
      await until(() => frontend.workers()[0]?.state === 'gone');
      const refused = await post(frontend.url, { prompt: 'x' });
      expect(refused.status).toBe(503);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await refused.json()).toMatchObject({ error: { code: 'no_workers', type: 'overloaded_error' } });
      expect(await health()).toBe('{"instances":[],"message":"No endpoints available","status":"unhealthy"}');
      const live = await fetch(`${frontend.url}/live`);
      expect([live.status, await live.text()]).toEqual([
        200,
        '{"message":"Service is live","status":"live"}',
      ]);
      workers[0] = await startToy('one', { port: Number(new URL(worker.url).port) });
      await until(async () => (await post(frontend.url, { prompt: 'x', max_tokens: 1 })).status === 200);
    });
  });

  it('tells the engine when the client has gone', async () => {
    await withFleet({}, async (frontend, workers) => {
      const client = new AbortController();
      const response = await post(
        frontend.url,
        { prompt: 'leaves', stream: true, max_tokens: 1000 },
        { signal: client.signal },
      );
      await response.body?.getReader().read();
      client.abort();
      await until(() => workers.some(({ cancelled }) => cancelled.includes('leaves')));
      await until(() => frontend.inFlight === 0);
    });
  });

  it('stops a request that kills its workers, and refuses it from then on', async () => {
    await withFleet({ names: ['one', 'two', 'three'] }, async (frontend) => {
      const poison = () => post(frontend.url, { prompt: 'poison', max_tokens: 50 });
      const first = await poison();
      expect([first.status, ((await first.json()) as { error: { code: string } }).error.code]).toEqual([
        500,
        'poison',
      ]);
      const second = await poison();
      expect([second.status, second.headers.has('retry-after')]).toEqual([500, true]);
      await until(() => frontend.workers().filter(({ state }) => state === 'gone').length === 2);
      expect((await stream(frontend.url, { prompt: 'fine', max_tokens: 5 })).isDone).toBe(true);
    });
  });

  it('lets running streams finish while it drains, and refuses new ones', async () => {
    await withFleet({}, async (frontend) => {
      const running = stream(frontend.url, { prompt: 'last', max_tokens: 200 });
      await until(() => frontend.inFlight === 1);
      const drained = frontend.drain();
      const refused = await post(frontend.url, { prompt: 'late' });
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      await drained;
      expect(await running).toMatchObject({ isDone: true, errors: [] });
      frontend.resume();
      expect((await post(frontend.url, { prompt: 'x', max_tokens: 1 })).status).toBe(200);
    });
  });

  it('ends running streams with an error when it is closed', async () => {
    await withFleet({}, async (frontend) => {
      let text = '';
      const running = stream(frontend.url, { prompt: 'cut', max_tokens: 1000 }, (now) => {
        text = now;
      });
      await until(() => text !== '');
      await frontend.close();
      expect(await running).toMatchObject({ isDone: false, errors: ['the frontend is shutting down'] });
    });
  });

  it('refuses what would give a wrong answer, and what is no request', async () => {
    await withFleet({ names: ['one'] }, async (frontend) => {
      const status = async (body: object) => (await post(frontend.url, body)).status;
      expect(await status({ prompt: 'x', tools: [{ type: 'function' }] })).toBe(400);
      expect(await status({ prompt: 'x', response_format: { type: 'json_object' } })).toBe(400);
      expect(await status({ prompt: 'x', top_p: 1, presence_penalty: 0, max_tokens: 1 })).toBe(200);
      // The toy engine says that it supports nothing.
      expect(await status({ prompt: 'x', top_p: 0.9 })).toBe(400);
      expect(await status({ prompt: 'x', model: 'another' })).toBe(404);
      expect(await status({ prompt: 7 })).toBe(400);
      const malformed = await fetch(`${frontend.url}/v1/completions`, { method: 'POST', body: '{' });
      expect(malformed.status).toBe(400);
      expect((await fetch(`${frontend.url}/nothing`)).status).toBe(404);
    });
  });

  it('counts what it does, and labels nothing with what clients send', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(frontend, ({ child }) => void child.kill('SIGKILL'), workers);
      await post(frontend.url, { prompt: 'x', model: 'evil"label' });
      const text = await (await fetch(`${frontend.url}/metrics`)).text();
      expect(text).toMatch(/^inference_health_migrations_total\{outcome="reset",mode="token"\} [1-9]/m);
      expect(text).toMatch(/^inference_health_requests_total\{outcome="success"\} 12$/m);
      expect(text).toMatch(/^inference_health_rejections_total\{reason="model_not_found"\} 1$/m);
      expect(text).toMatch(/^inference_health_requests_in_flight 0$/m);
      expect(text).not.toContain('evil');
    });
  });

  it('lets requests wait for a place and refuses those beyond the queue', async () => {
    const classes = [
      { name: 'default', reservedTokens: 0, maxQueue: 1, queueTimeoutMs: 10_000, promoteAfterMs: 10_000 },
    ];
    const admission = { maxConcurrent: 1, classes };
    await withFleet({ names: ['one'], admission, overloadStatus: 529 }, async (frontend) => {
      const running = [1, 2].map((i) => stream(frontend.url, { prompt: `${i}`, max_tokens: 100 }));
      await until(() => frontend.inFlight === 2);
      const refused = await post(frontend.url, { prompt: '3' });
      expect([refused.status, refused.headers.has('retry-after')]).toEqual([529, true]);
      for (const each of await Promise.all(running)) expect(each).toMatchObject({ isDone: true, errors: [] });
    });
  });
});
