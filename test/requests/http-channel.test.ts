import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { countHttpRequests, discardHttpRequest } from '../../lib/requests/http-channel.js';
import { createRequestsBlock, type RequestsBlock } from '../../lib/requests/layout.js';
import { createRequestsReader, type RequestsSummary } from '../../lib/requests/reader.js';
import { attachThread, type ThreadRequests } from '../../lib/requests/share.js';

const clock = (): number => performance.now();
const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

let block: RequestsBlock;
let thread: ThreadRequests;
let stop: () => void;

beforeEach(() => {
  block = createRequestsBlock(clock());
  thread = attachThread(block, clock);
  stop = countHttpRequests(thread.begin);
});

afterEach(() => {
  stop();
  thread.release();
});

const summary = (): RequestsSummary => createRequestsReader(block).read(clock());

/** Waits until the counts are these, and stays to see that they remain so. */
async function expectCounts(counts: Partial<RequestsSummary>): Promise<void> {
  await vi.waitFor(() => expect(summary()).toMatchObject(counts), { timeout: 20_000, interval: 5 });
  await sleep(30);
  expect(summary()).toMatchObject(counts);
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function withServer(listener: Listener, act: (port: number) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await act((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function open(port: number, text: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  return socket;
}

describe('counting node:http requests', () => {
  test('counts a request from its head to the close of its response', async () => {
    let finish = (): void => {};
    await withServer(
      (_request, response) => {
        finish = () => response.end('ok');
      },
      async (port) => {
        const answer = fetch(`http://127.0.0.1:${port}/`);
        await expectCounts({ active: 1, total: 1, completed: 0 });
        finish();
        expect(await (await answer).text()).toBe('ok');
        await expectCounts({ active: 0, total: 1, completed: 1, failed: 0 });
        expect(summary().avgMs).toBeGreaterThan(20);
      },
    );
  });

  test.each([
    [200, 'completed'],
    [304, 'completed'],
    [404, 'completed'],
    [429, 'completed'],
    [500, 'failed'],
    [503, 'failed'],
  ] as const)('counts status %i as %s', async (status, outcome) => {
    await withServer(
      (_request, response) => {
        response.statusCode = status;
        response.end();
      },
      async (port) => {
        await fetch(`http://127.0.0.1:${port}/`);
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 0, [outcome]: 1 });
      },
    );
  });

  test('counts every request on a kept-alive connection, one at a time and pipelined', async () => {
    await withServer(
      (_request, response) => setTimeout(() => response.end('ok'), 10),
      async (port) => {
        const socket = open(port, GET('/1'));
        socket.resume();
        await expectCounts({ active: 0, total: 1, completed: 1 });
        socket.write(GET('/2') + GET('/3') + GET('/4'));
        await expectCounts({ active: 0, total: 4, completed: 4, failed: 0 });
        socket.destroy();
        await expectCounts({ active: 0, total: 4, completed: 4, failed: 0 });
      },
    );
  });

  test('counts a request whose client goes away before the answer as failed', async () => {
    await withServer(
      () => {},
      async (port) => {
        const socket = open(port, GET('/'));
        await expectCounts({ active: 1 });
        socket.resetAndDestroy();
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 1 });
      },
    );
  });

  test('counts a stream that its client leaves half-way as failed', async () => {
    await withServer(
      (_request, response) => {
        const timer = setInterval(() => response.write('token '), 5);
        response.on('close', () => clearInterval(timer));
      },
      async (port) => {
        const request = httpRequest({ port, host: '127.0.0.1' });
        request.on('error', () => {});
        request.end();
        const response = await new Promise<IncomingMessage>((resolve) => request.on('response', resolve));
        response.once('data', () => request.destroy());
        response.on('error', () => {});
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 1 });
      },
    );
  });

  test('counts an answer that was ended but could not be delivered as failed', async () => {
    await withServer(
      (_request, response) => void response.end(Buffer.alloc(64 * 1024 * 1024)),
      async (port) => {
        const socket = open(port, GET('/'));
        socket.pause();
        await expectCounts({ active: 1 });
        socket.resetAndDestroy();
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 1 });
      },
    );
  });

  test('counts pipelined requests that were still waiting when the connection broke as failed', async () => {
    await withServer(
      (request) => void request.resume(),
      async (port) => {
        const socket = open(port, GET('/1') + GET('/2') + GET('/3'));
        await expectCounts({ active: 3 });
        socket.destroy();
        await expectCounts({ active: 0, total: 3, completed: 0, failed: 3 });
      },
    );
  });

  test('counts a response that the application destroys as failed', async () => {
    await withServer(
      (_request, response) => {
        response.write('half');
        response.destroy();
      },
      async (port) => {
        open(port, GET('/')).resume();
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 1 });
      },
    );
  });

  test('counts an upload that breaks off as failed', async () => {
    await withServer(
      (request, response) => {
        request.on('error', () => {});
        request.on('end', () => response.end());
        request.resume();
      },
      async (port) => {
        const socket = open(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
        await expectCounts({ active: 1 });
        socket.destroy();
        await expectCounts({ active: 0, total: 1, completed: 0, failed: 1 });
      },
    );
  });

  test('counts HEAD, HTTP/1.0, Connection: close and a response without body', async () => {
    await withServer(
      (_request, response) => void response.writeHead(204).end(),
      async (port) => {
        open(port, 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n').resume();
        open(port, 'GET / HTTP/1.0\r\n\r\n').resume();
        open(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n').resume();
        await expectCounts({ active: 0, total: 3, completed: 3, failed: 0 });
      },
    );
  });

  test('does not count a connection that never sends a request, nor garbage', async () => {
    await withServer(
      (_request, response) => void response.end(),
      async (port) => {
        open(port, '').end();
        open(port, 'GET / HT').end();
        open(port, '\0\0\0\r\n\r\n').resume();
        await expectCounts({ active: 0, total: 0 });
      },
    );
  });

  test('takes back a request that is marked as none, such as a probe on the same port', async () => {
    await withServer(
      (request, response) => {
        if (request.url === '/health') expect(discardHttpRequest(response)).toBe(true);
        expect(discardHttpRequest(response)).toBe(request.url === '/twice');
        response.end();
      },
      async (port) => {
        await fetch(`http://127.0.0.1:${port}/health`);
        await expectCounts({ active: 0, total: 0, completed: 0, failed: 0 });
      },
    );
  });

  test('counts a framework on top of node:http, failures of its handlers included', async () => {
    const app = fastify();
    app.get('/ok', async () => 'ok');
    app.get('/broken', async () => {
      throw new Error('on purpose');
    });
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    try {
      for (const path of ['/ok', '/broken', '/missing']) await (await fetch(url + path)).text();
      await expectCounts({ active: 0, total: 3, completed: 2, failed: 1 });
    } finally {
      await app.close();
    }
  });

  test('counts those in flight to their end after it has been stopped, and no new ones', async () => {
    let finish = (): void => {};
    await withServer(
      (_request, response) => {
        finish = () => response.end('ok');
      },
      async (port) => {
        const first = fetch(`http://127.0.0.1:${port}/`);
        await expectCounts({ active: 1 });
        stop();
        finish();
        await first;
        const second = fetch(`http://127.0.0.1:${port}/`);
        await sleep(50);
        finish();
        await second;
        await expectCounts({ active: 0, total: 1, completed: 1 });
      },
    );
  });

  test('adds one listener per connection, whatever the number of requests on it', async () => {
    const sockets = new Set<{ listenerCount(name: string): number }>();
    const counts: number[] = [];
    await withServer(
      (request, response) => {
        sockets.add(request.socket);
        counts.push(request.socket.listenerCount('close'));
        response.end();
      },
      async (port) => {
        const socket = open(port, '');
        socket.resume();
        for (let n = 1; n <= 20; n += 1) {
          socket.write(GET('/'));
          await vi.waitFor(() => expect(counts.length).toBe(n), { timeout: 20_000, interval: 2 });
        }
        await expectCounts({ total: 20, completed: 20 });
      },
    );
    expect(sockets.size).toBe(1);
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
});
