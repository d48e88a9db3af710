import { describe, expect, test, vi } from 'vitest';
import { ENGINES, withProbeServer } from './probe-server.js';
import { exchange, openRaw, type RawClient, request } from './raw-client.js';

/** 10 s, seen at the next check: every 4 s in uWebSockets.js, every 2 s in node:http; the rest is slack. */
const BOUND_MS = 25_000;

interface SlowClient {
  readonly name: string;
  readonly first: string;
  /** Sent once a second. */
  readonly drip?: string;
}

const SLOW_CLIENTS: readonly SlowClient[] = [
  { name: 'connects and says nothing', first: '' },
  { name: 'stops in its header', first: 'GET /live HTTP/1.1\r\nHo' },
  { name: 'drips its header', first: 'GET /live HTTP/1.1\r\nHost: a\r\nX: ', drip: 'a' },
  { name: 'drips header fields', first: 'GET /live HTTP/1.1\r\nHost: a\r\n', drip: 'X: a\r\n' },
  { name: 'drips empty lines', first: '\r\n', drip: '\r\n' },
  { name: 'sends part of a body', first: `${request('POST', '/live', ['Content-Length: 1000'])}abc` },
  { name: 'drips a body', first: request('GET', '/live', ['Content-Length: 1000']), drip: 'a' },
  {
    name: 'drips chunks',
    first: request('GET', '/live', ['Transfer-Encoding: chunked']),
    drip: '1\r\na\r\n',
  },
  { name: 'goes idle after an answer', first: request('GET', '/live') },
  { name: 'sends what is no request', first: 'hello' },
];

describe.concurrent.each(ENGINES)('slow clients of %s', (engine) => {
  test('are all ended, and nobody else notices', { timeout: 60_000 }, () =>
    withProbeServer(engine, async (server) => {
      const clients: RawClient[] = [];
      const timers: NodeJS.Timeout[] = [];
      const ends = SLOW_CLIENTS.map(async ({ name, first, drip }) => {
        const client = await openRaw(server.port);
        clients.push(client);
        client.send(first);
        if (drip !== undefined) timers.push(setInterval(() => client.send(drip), 1_000));
        const left = await client.ended(BOUND_MS).catch(() => 'never');
        // Those who said nothing are told nothing; those cut off may be told why.
        expect({ name, left }).toEqual({
          name,
          left: expect.stringMatching(/^$|^HTTP\/1\.1 (200|405|408|400) /),
        });
      });
      // It would not see an end, since it reads nothing; the server must count it out.
      const deaf = await openRaw(server.port);
      deaf.socket.pause();
      deaf.send(request('GET', '/big'));
      // Whoever waits for us is not slow.
      const waiting = exchange(server.port, request('GET', '/later?11500'), { timeoutMs: 20_000 });
      // A regular user of the same connection is not taken for a slow one.
      const regular = await openRaw(server.port);
      const probing = setInterval(() => regular.send(request('GET', '/live')), 500);
      const fresh = vi.waitFor(
        async () => {
          expect((await exchange(server.port, request('GET', '/live'))).status).toBe(200);
        },
        { interval: 500 },
      );
      await Promise.all([...ends, fresh]);
      expect((await waiting).body).toBe('later');
      for (const timer of timers) clearInterval(timer);
      clearInterval(probing);
      let answers = 0;
      while (answers < 10) {
        expect((await regular.response()).status).toBe(200);
        answers += 1;
      }
      for (const client of clients) client.close();
      regular.close();
      await vi.waitFor(async () => expect(await server.connections()).toBe(0), {
        timeout: BOUND_MS,
        interval: 100,
      });
      deaf.close();
      expect(await server.errors()).toEqual([]);
    }),
  );
});
