import { describe, expect, test, vi } from 'vitest';
import { connectionLimit } from '../../lib/probe/connection-limit.js';
import { ENGINES, type TestServer, withProbeServer } from './probe-server.js';
import { exchange, openRaw, type RawClient, request } from './raw-client.js';

/** mulberry32, so that a failure can be replayed. */
function randomBytes(seed: number, length: number): Buffer {
  let state = seed;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return (mixed ^ (mixed >>> 14)) & 0xff;
    }),
  );
}

/** 5,000 where this process may open 20,000 files: the server takes no more than its share of them. */
const idleConnections = () => Math.min(5_000, connectionLimit() - 50);

const PATIENT = { timeout: 20_000, interval: 20 };

const untilNoneIsOpen = (server: TestServer) =>
  vi.waitFor(async () => expect(await server.connections()).toBe(0), PATIENT);

describe.each(ENGINES)('clients of the probe server on %s', (engine) => {
  const on = (use: (server: TestServer) => Promise<void>) => () => withProbeServer(engine, use);

  test(
    'that send random bytes disturb nobody',
    on(async (server) => {
      const { port } = server;
      for (let seed = 1; seed <= 200; seed += 1) {
        const client = await openRaw(port);
        const noise = randomBytes(seed, 16 + seed * 40);
        // Half of them begin like a request, to get past the first line.
        client.send(
          seed % 2 === 0 ? noise : Buffer.concat([Buffer.from('GET /live HTTP/1.1\r\nHost: a\r\n'), noise]),
        );
        if (seed % 20 === 0) expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
        client.close(seed % 3 === 0 ? 'reset' : undefined);
      }
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      expect(await server.errors()).toEqual([]);
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that send a megabyte of header are cut off',
    on(async (server) => {
      const client = await openRaw(server.port);
      client.send('GET /live HTTP/1.1\r\nHost: a\r\nX-Large: ');
      const chunk = 'a'.repeat(65_536);
      for (let sent = 0; sent < 16; sent += 1) client.send(chunk);
      const said = await client.ended();
      // uWebSockets.js closes at once: what it said may be lost to the reset that the rest of the bytes provoke.
      if (engine === 'http' || said !== '') expect(said).toMatch(/^HTTP\/1\.1 431 /);
      client.close();
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that leave in the middle of a request disturb nobody',
    on(async (server) => {
      const whole = request('GET', '/live');
      for (let length = 0; length <= whole.length; length += 1) {
        const client = await openRaw(server.port);
        client.send(whole.slice(0, length));
        client.close(length % 2 === 0 ? 'reset' : undefined);
      }
      expect((await exchange(server.port, whole)).status).toBe(200);
      await untilNoneIsOpen(server);
      expect(await server.errors()).toEqual([]);
    }),
  );

  test(
    'that leave before a late answer disturb nobody and are not counted',
    on(async (server) => {
      for (const how of ['reset', undefined] as const) {
        const gone = await Promise.all(Array.from({ length: 16 }, () => openRaw(server.port)));
        for (const client of gone) client.send(request('GET', '/later?1500'));
        await new Promise((resolve) => setTimeout(resolve, 50));
        for (const client of gone) client.close(how);
      }
      const patient = await exchange(server.port, request('GET', '/later?1800'));
      expect(patient.body).toBe('later');
      expect((await server.observed()).length).toBe(1);
      expect(await server.errors()).toEqual([]);
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that close their sending side still get an answer that was ready at once',
    on(async ({ port }) => {
      const client = await openRaw(port);
      client.socket.end(request('GET', '/live'));
      expect((await client.response()).status).toBe(200);
      await client.ended();
      client.close();
    }),
  );

  test(
    'that pipeline behind a late answer are cut off, so that the server does not keep what they ask for',
    on(async (server) => {
      const before = await server.rss();
      const greedy = await openRaw(server.port);
      greedy.send(request('GET', '/later-big').repeat(1_000));
      expect(await greedy.ended()).toBe('');
      expect((await server.rss()) - before).toBeLessThan(300 << 20);
      greedy.close();
      const impatient = await openRaw(server.port);
      impatient.send(request('GET', '/later?100') + request('GET', '/live'));
      expect(await impatient.ended()).toBe('');
      impatient.close();
      expect((await exchange(server.port, request('GET', '/live'))).body).toContain('"call":1');
      expect(await server.errors()).toEqual([]);
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'of which 16 wait for a late answer leave 503 with Retry-After to the next, until one has left or is served',
    on(async (server) => {
      const { port } = server;
      const waiting = await Promise.all(Array.from({ length: 16 }, () => openRaw(port)));
      for (const client of waiting) client.send(request('GET', '/later?3000'));
      await vi.waitFor(async () => {
        expect(await exchange(port, request('GET', '/later?0'))).toMatchObject({ status: 503, body: '' });
      }, PATIENT);
      const refused = await exchange(port, request('GET', '/later?0'));
      expect(refused.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' });
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      waiting.pop()?.close('reset');
      await vi.waitFor(async () => {
        expect((await exchange(port, request('GET', '/later?0'))).body).toBe('later');
      }, PATIENT);
      for (const client of waiting) expect((await client.response()).body).toBe('later');
      for (const client of waiting) client.send(request('GET', '/later?10'));
      for (const client of waiting) expect((await client.response()).body).toBe('later');
      for (const client of waiting) client.close();
      expect(await server.errors()).toEqual([]);
    }),
  );

  test(
    'that do not read a late answer share its bytes, count as waiting and are served once they read',
    on(async (server) => {
      const { port } = server;
      const before = await server.rss();
      const deaf = await Promise.all(Array.from({ length: 16 }, () => openRaw(port)));
      for (const client of deaf) {
        client.socket.pause();
        client.send(request('GET', '/later-huge'));
      }
      await vi.waitFor(async () => {
        expect((await exchange(port, request('GET', '/later?0'))).status).toBe(503);
      }, PATIENT);
      expect((await server.rss()) - before).toBeLessThan(100 << 20);
      for (const client of deaf.splice(2)) client.close('reset');
      for (const client of deaf) client.socket.resume();
      for (const client of deaf) expect((await client.response()).body.length).toBe(16 << 20);
      for (const client of deaf) client.close();
      await vi.waitFor(async () => {
        expect((await exchange(port, request('GET', '/later?0'))).status).toBe(200);
      }, PATIENT);
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that ask again only after a late answer keep their connection',
    on(async ({ port }) => {
      const client = await openRaw(port);
      for (let round = 0; round < 20; round += 1) {
        for (const path of ['/later?0', '/later-big', '/live', '/rejects']) {
          client.send(request('GET', path));
          expect((await client.response()).status).toBe(path === '/rejects' ? 500 : 200);
        }
      }
      client.close();
    }),
  );

  test(
    'that never read what they asked for do not make the server keep it all',
    on(async (server) => {
      const before = await server.rss();
      const greedy = await openRaw(server.port);
      greedy.socket.pause();
      // 1.2 GiB of answers, as long as the server goes on reading.
      for (let round = 0; round < 100 && greedy.socket.writableLength < 1 << 20; round += 1) {
        greedy.send(request('GET', '/medium').repeat(200));
        if (round % 10 === 0) expect((await exchange(server.port, request('GET', '/live'))).status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect((await server.rss()) - before).toBeLessThan(300 << 20);
      greedy.close('reset');
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that pipeline without end are cut off, so that others are answered',
    on(async (server) => {
      const flood = await openRaw(server.port);
      const chunk = Buffer.from(request('GET', '/live').repeat(1_000));
      let isFlooding = true;
      const pour = () => {
        if (isFlooding) flood.socket.write(chunk, () => setImmediate(pour));
      };
      for (let stream = 0; stream < 8; stream += 1) pour();
      const ended = flood.ended(20_000).finally(() => {
        isFlooding = false;
      });
      for (let probe = 0; probe < 5; probe += 1) {
        expect((await exchange(server.port, request('GET', '/live'))).status).toBe(200);
      }
      await ended;
      flood.close('reset');
      await untilNoneIsOpen(server);
    }),
  );

  test(
    'that pipeline more than a turn may serve get no answer rendered beyond that',
    on(async ({ port }) => {
      const flood = await openRaw(port);
      const blocking = exchange(port, request('GET', '/blocks'));
      // It arrives while the server is busy, so that the server reads it in one turn.
      flood.send(request('GET', '/live').repeat(1_800));
      await blocking;
      await flood.ended();
      flood.close();
      const next = JSON.parse((await exchange(port, request('GET', '/live'))).body) as { call: number };
      expect(next.call).toBeLessThan(1_100);
    }),
  );

  test(
    'of which thousands sit idle do not keep others from an answer',
    on(async (server) => {
      const count = idleConnections();
      const idle: RawClient[] = [];
      while (idle.length < count) {
        const batch = Math.min(250, count - idle.length);
        idle.push(...(await Promise.all(Array.from({ length: batch }, () => openRaw(server.port)))));
      }
      await vi.waitFor(async () => expect(await server.connections()).toBe(count), PATIENT);
      for (let probe = 0; probe < 20; probe += 1) {
        expect((await exchange(server.port, request('GET', '/live'))).status).toBe(200);
      }
      // They are served as well once they speak.
      for (const client of idle.slice(-20)) {
        client.send(request('GET', '/live'));
        expect((await client.response()).status).toBe(200);
      }
      for (const client of idle) client.close('reset');
      await untilNoneIsOpen(server);
    }),
  );
});
