import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { startProxy } from '../../lib/testing/proxy.js';
import { until } from '../helpers/package.js';
import { endToy, startToy, stream, type ToyWorker } from './fleet.js';
import { begun, moved, whole } from './survival.js';

describe('a connection to a worker that breaks', () => {
  it.each(['reset', 'end'] as const)('by %s moves its streams, and no token is lost', async (how) => {
    const workers = await Promise.all(['one', 'two'].map((name) => startToy(name)));
    const [one, two] = workers as [ToyWorker, ToyWorker];
    try {
      await using proxy = await startProxy({ target: one.url });
      await using frontend = await startFrontend({ port: 0, workers: [proxy.url, two.url] });
      await until(() => frontend.workers().every(({ state }) => state === 'serving'));
      const before = await whole(frontend);
      const { again } = await begun(frontend);
      await until(() => (frontend.workers()[0]?.inFlight ?? 0) > 0);
      if (how === 'reset') proxy.reset();
      else proxy.truncate(0);
      expect(await again).toEqual(before);
      expect(moved(frontend)).toBeGreaterThan(0);
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
