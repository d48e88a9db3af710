import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import {
  type AddressInfo,
  connect as connectTo,
  createServer as createTcpServer,
  type Socket,
} from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { sleep, until } from '../helpers/package.js';
import {
  busiest,
  endToy,
  post,
  type Streamed,
  startToy,
  stream,
  type ToyWorker,
  withFleet,
} from './fleet.js';

const PROMPTS = Array.from({ length: 6 }, (_, i) => `story ${i}`);
const TOKENS = 150;

const whole = (frontend: Frontend, onText: (index: number) => void = () => undefined): Promise<Streamed[]> =>
  Promise.all(
    PROMPTS.map((prompt, index) =>
      stream(frontend.url, { prompt, max_tokens: TOKENS }, (text) => text !== '' && onText(index)),
    ),
  );

/** Streams that have begun; what is done to a worker before that is not done to a stream. */
async function begun(frontend: Frontend): Promise<{ readonly again: Promise<Streamed[]> }> {
  const started = new Set<number>();
  const again = whole(frontend, (index) => started.add(index));
  await Promise.race([until(() => started.size === PROMPTS.length), again]);
  return { again };
}

const moved = (frontend: Frontend): number =>
  Object.values(frontend.migrations()).reduce((sum, n) => sum + n, 0);

/** Streams once in peace and once while `fault` happens; both must be the same, to the last byte. */
async function survives(
  frontend: Frontend,
  fault: (victim: ToyWorker) => Promise<void> | void,
  workers: readonly ToyWorker[],
): Promise<void> {
  const before = await whole(frontend);
  const { again } = await begun(frontend);
  await fault(busiest(frontend, workers));
  expect(await again).toEqual(before);
  for (const { reason, isDone, errors, usage } of before) {
    expect({ reason, isDone, errors }).toEqual({ reason: 'length', isDone: true, errors: [] });
    expect(usage?.completion_tokens).toBe(TOKENS);
  }
  expect(moved(frontend)).toBeGreaterThan(0);
  await until(() => frontend.inFlight === 0);
}

describe.concurrent('streams through a frontend', () => {
  it('survive the SIGKILL of their worker', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(frontend, ({ child }) => void child.kill('SIGKILL'), workers);
      await until(() => frontend.workers().filter(({ state }) => state === 'gone').length === 1);
    });
  });

  it('survive the SIGSTOP of their worker, which is ejected and comes back', async () => {
    await withFleet({}, async (frontend, workers) => {
      let stopped: ToyWorker | undefined;
      await survives(
        frontend,
        async (victim) => {
          stopped = victim;
          victim.child.kill('SIGSTOP');
          await until(() => frontend.workers().some(({ isEjected }) => isEjected));
        },
        workers,
      );
      stopped?.child.kill('SIGCONT');
      await until(() => frontend.workers().every(({ condition }) => condition === 'alive'));
    });
  });

  it('survive a hung engine in a process that lives', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(
        frontend,
        async (victim) => {
          victim.steer({ hangs: true });
          await until(() => moved(frontend) > 0);
        },
        workers,
      );
    });
  });

  it('survive the drain of their worker, which exits with 0', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(
        frontend,
        async ({ child }) => {
          child.kill('SIGTERM');
          await once(child, 'exit');
          expect(child.exitCode).toBe(0);
        },
        workers,
      );
    });
  });

  it('survive a rolling restart of every worker, with requests coming all the time', {
    timeout: 90_000,
  }, async () => {
    await withFleet({ names: ['one', 'two'], tokenMs: 2 }, async (frontend, workers) => {
      const wanted = await stream(frontend.url, { prompt: 'steady', max_tokens: 40 });
      let isOver = false;
      let count = 0;
      const client = async (): Promise<void> => {
        while (!isOver) {
          expect(await stream(frontend.url, { prompt: 'steady', max_tokens: 40 })).toEqual(wanted);
          count += 1;
        }
      };
      const clients = Promise.all([client(), client()]);
      for (const [index, worker] of workers.entries()) {
        worker.child.kill('SIGTERM');
        await once(worker.child, 'exit');
        const next = await startToy(worker.name, { port: Number(new URL(worker.url).port), tokenMs: 2 });
        workers[index] = next;
        await until(() => frontend.workers().every(({ state }) => state === 'serving'), 30_000);
      }
      isOver = true;
      await clients;
      expect(count).toBeGreaterThan(5);
    });
  });

  it('have their stop strings found across the border of two workers', async () => {
    await withFleet({}, async (frontend, workers) => {
      const { text } = await stream(frontend.url, { prompt: 'stop here', max_tokens: 80 });
      const stop = text.slice(-12, -3);
      const body = { prompt: 'stop here', max_tokens: 500, stop };
      let seen = '';
      const again = stream(frontend.url, body, (now) => {
        seen = now;
      });
      await until(() => seen !== '');
      busiest(frontend, workers).child.kill('SIGKILL');
      expect(await again).toMatchObject({
        text: text.slice(0, text.indexOf(stop)),
        reason: 'stop',
        errors: [],
      });
      expect(moved(frontend)).toBe(1);
    });
  });

  it('with several choices are whole in each of them', async () => {
    await withFleet({}, async (frontend, workers) => {
      const ask = async () => (await post(frontend.url, { prompt: 'n', n: 3, max_tokens: 200 })).json();
      const { choices, usage } = (await ask()) as { choices: { text: string }[]; usage: object };
      expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
      expect(usage).toEqual({ prompt_tokens: 1, completion_tokens: 600, total_tokens: 601 });
      const again = ask();
      await until(() => frontend.inFlight === 1);
      await sleep(150);
      busiest(frontend, workers).child.kill('SIGKILL');
      expect(await again).toMatchObject({ choices, usage });
    });
  });
});

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

/** Passes bytes on until it is told otherwise. */
async function withProxy(
  target: string,
  use: (url: string, cut: (how: 'reset' | 'end') => void) => Promise<void>,
): Promise<void> {
  const pairs = new Set<{ readonly client: Socket; readonly worker: Socket }>();
  const server = createTcpServer((client) => {
    const worker = connectTo(Number(new URL(target).port), '127.0.0.1');
    const pair = { client, worker };
    pairs.add(pair);
    for (const socket of [client, worker]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        client.destroy();
        worker.destroy();
      });
    }
    client.pipe(worker);
    worker.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (how: 'reset' | 'end'): void => {
    for (const { client } of pairs) how === 'reset' ? client.resetAndDestroy() : client.end();
  };
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut);
  } finally {
    for (const { client } of pairs) client.destroy();
    server.close();
  }
}

describe('a connection to a worker that breaks', () => {
  it.each(['reset', 'end'] as const)('by %s moves its streams, and no token is lost', async (how) => {
    const workers = await Promise.all(['one', 'two'].map((name) => startToy(name)));
    const [one, two] = workers as [ToyWorker, ToyWorker];
    try {
      await withProxy(one.url, async (proxied, cut) => {
        await using frontend = await startFrontend({ port: 0, workers: [proxied, two.url] });
        await until(() => frontend.workers().every(({ state }) => state === 'serving'));
        const before = await whole(frontend);
        const { again } = await begun(frontend);
        await until(() => (frontend.workers()[0]?.inFlight ?? 0) > 0);
        cut(how);
        expect(await again).toEqual(before);
        expect(moved(frontend)).toBeGreaterThan(0);
      });
    } finally {
      for (const worker of workers) endToy(worker);
    }
  });
});

describe('a worker that speaks garbage', () => {
  const beacon = JSON.stringify({
    ...{ worker: 'garbage', incarnation: 'g', model: 'toy', state: 'serving', ready: true, engineStep: 0 },
    ...{ running: 0, waiting: 0, scheduledTokens: 0, activeTokens: 0 },
    ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
  });
  const ANSWERS: Record<string, string> = {
    'no JSON': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nnot json.\n',
    'another shape': 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"yes":"o"}\n',
    'a gap': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n[7,1,"QQ=="]\n\n\r\n',
    'no HTTP': 'SMTP ready\r\n\r\n',
    'half an answer': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[0,',
    'an unknown status': 'HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n',
  };

  async function withGarbage(answer: string, use: (url: string) => Promise<void>): Promise<void> {
    const server: Server = createServer((request, response) => {
      if (request.url === '/v1/beacons') {
        const tell = () => response.write(`${beacon}\n`);
        const timer = setInterval(tell, 100);
        tell();
        response.on('close', () => clearInterval(timer));
        return;
      }
      const { socket } = response;
      socket?.end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it('costs no request, whatever it says', async () => {
    const worker = await startToy('good');
    try {
      for (const [name, answer] of Object.entries(ANSWERS)) {
        await withGarbage(answer, async (url) => {
          await using frontend = await startFrontend({ port: 0, workers: [url, worker.url] });
          await until(() => frontend.workers().every(({ state }) => state === 'serving'));
          // Whom a request is given to is left to chance.
          for (let i = 0; i < 8 || (i < 100 && moved(frontend) === 0); i += 1) {
            const got = await stream(frontend.url, { prompt: `${name} ${i}`, max_tokens: 3 });
            expect(got, name).toMatchObject({ isDone: true, errors: [], reason: 'length' });
          }
          expect(moved(frontend), name).toBeGreaterThan(0);
        });
      }
    } finally {
      endToy(worker);
    }
  });
});
