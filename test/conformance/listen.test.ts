import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { ListenTarget } from '../../lib/probe/server.js';
import { boundOf, ENGINES, LOOPBACK, type TestServer, withProbeServer } from './probe-server.js';
import { exchange, openRaw, request } from './raw-client.js';

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

const tcp = (host: string | null, port: number): ListenTarget => ({ kind: 'tcp', host, port });

async function portOf(server: TestServer, host: string | null): Promise<number> {
  const bound = boundOf(await server.listen(tcp(host, 0)));
  return bound.kind === 'tcp' ? bound.port : 0;
}

async function failure(server: TestServer, target: ListenTarget): Promise<{ code: string; message: string }> {
  const result = await server.listen(target);
  if (result.ok) throw new Error(`listened on ${JSON.stringify(result.bound)}`);
  return result.failure;
}

async function holding(host: string, use: (port: number) => Promise<void>): Promise<void> {
  const holder: Server = createServer();
  holder.listen({ host, port: 0, exclusive: true });
  await once(holder, 'listening');
  const address = holder.address();
  try {
    await use(typeof address === 'object' && address !== null ? address.port : 0);
  } finally {
    holder.close();
  }
}

describe.each(ENGINES)('listening with %s', (engine) => {
  const on = (use: (server: TestServer) => Promise<void>) => () => withProbeServer(engine, use);

  test(
    'gives the real port for port 0 and serves every listener',
    on(async (server) => {
      const second = await portOf(server, '127.0.0.1');
      expect(second).toBeGreaterThan(0);
      expect(second).not.toBe(server.port);
      for (const port of [server.port, second]) {
        expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      }
    }),
  );

  test(
    'takes localhost for 127.0.0.1',
    on(async (server) => {
      const result = boundOf(await server.listen(tcp('localhost', 0)));
      expect(result).toMatchObject({ kind: 'tcp', host: '127.0.0.1' });
    }),
  );

  test.skipIf(!hasIpv6)(
    'takes all interfaces, IPv4 and IPv6, for null',
    on(async (server) => {
      const bound = boundOf(await server.listen(tcp(null, 0)));
      expect(bound).toMatchObject({ kind: 'tcp', host: '::' });
      const port = bound.kind === 'tcp' ? bound.port : 0;
      for (const host of ['127.0.0.1', '::1']) {
        expect((await exchange({ host, port }, request('GET', '/live'))).status).toBe(200);
      }
    }),
  );

  test.skipIf(!hasIpv6)(
    'serves IPv6 alone on ::1',
    on(async (server) => {
      const port = await portOf(server, '::1');
      expect((await exchange({ host: '::1', port }, request('GET', '/live'))).status).toBe(200);
      await expect(openRaw({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED');
    }),
  );

  test(
    'refuses a port that another socket holds, and says which',
    on(async (server) => {
      await holding('127.0.0.1', async (port) => {
        for (const host of ['127.0.0.1', '0.0.0.0', null]) {
          const { code, message } = await failure(server, tcp(host, port));
          expect(code).toBe('ERR_PORT_IN_USE');
          expect(message).toContain(`:${port}: expected a free port`);
          expect(message).toContain('EADDRINUSE');
        }
      });
    }),
  );

  test(
    'never shares a port with itself or with the other engine',
    on(async (server) => {
      expect((await failure(server, tcp('127.0.0.1', server.port))).code).toBe('ERR_PORT_IN_USE');
      for (const other of ENGINES) {
        await withProbeServer(other, async (second) => {
          expect((await failure(second, tcp('127.0.0.1', server.port))).code).toBe('ERR_PORT_IN_USE');
          expect((await failure(second, tcp(null, server.port))).code).toBe('ERR_PORT_IN_USE');
        });
      }
    }),
  );

  test(
    'takes a port again at once after it has served connections and closed, chosen or given',
    on(async (first) => {
      let { port } = first;
      const serveAndClose = async (server: TestServer) => {
        // The side that closes first keeps the address in TIME_WAIT.
        const client = await openRaw(port);
        client.send(request('GET', '/live', ['Connection: close']));
        expect((await client.response()).status).toBe(200);
        await client.ended();
        client.close();
        await server.close();
      };
      await serveAndClose(first);
      for (let successor = 0; successor < 2; successor += 1) {
        await withProbeServer(engine, async (server) => {
          const bound = boundOf(await server.listen(tcp('127.0.0.1', port)));
          port = bound.kind === 'tcp' ? bound.port : 0;
          await serveAndClose(server);
        });
      }
    }),
  );

  test(
    'closes cleanly while a port is being opened',
    on(async (server) => {
      const opening = server.listen(tcp('127.0.0.1', 0));
      await server.close();
      const result = await opening;
      // Either may come first; what was opened is closed again.
      if (result.ok && result.bound.kind === 'tcp')
        await expect(openRaw(result.bound.port)).rejects.toThrow();
      else expect(result.ok ? '' : result.failure.code).toBe('ERR_CLOSED');
    }),
  );

  test(
    'refuses hosts that are not addresses of this machine',
    on(async (server) => {
      // TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849) belong to nobody.
      for (const host of ['192.0.2.1', ...(hasIpv6 ? ['2001:db8::1'] : [])]) {
        const { code, message } = await failure(server, tcp(host, 0));
        expect(code).toBe('ERR_HOST_INVALID');
        expect(message).toContain('expected an address of this machine');
      }
    }),
  );

  test(
    'refuses hosts that would have to be looked up',
    on(async (server) => {
      for (const host of [
        '',
        'example.test',
        '*',
        '127.0.0.1.5',
        '127.1',
        '[::1]',
        'localhost.',
        '127.0.0.1:80',
      ]) {
        const { code, message } = await failure(server, tcp(host, 0));
        expect({ host, code }).toEqual({ host, code: 'ERR_HOST_INVALID' });
        expect(message).toContain('expected `host` to be an IP address');
      }
    }),
  );

  test(
    'refuses ports that do not exist',
    on(async (server) => {
      for (const port of [-1, 65_536, 1.5, Number.NaN]) {
        expect((await failure(server, tcp('127.0.0.1', port))).code).toBe('ERR_CONFIG_INVALID');
      }
    }),
  );

  test(
    'stays usable after refusals',
    on(async (server) => {
      await failure(server, tcp('192.0.2.1', 0));
      await failure(server, tcp('127.0.0.1', server.port));
      const port = await portOf(server, '127.0.0.1');
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      expect(await server.errors()).toEqual([]);
    }),
  );

  test(
    'ends every connection and frees every port on close, and refuses to listen again',
    on(async (server) => {
      const second = await portOf(server, '127.0.0.1');
      const idle = await openRaw(server.port);
      const kept = await openRaw(second);
      kept.send(request('GET', '/live'));
      await kept.response();
      const waiting = await openRaw(server.port);
      waiting.send(request('GET', '/later?1500'));
      const partial = await openRaw(server.port);
      partial.send('GET /live');
      await new Promise((resolve) => setTimeout(resolve, 30));
      await server.close();
      for (const client of [idle, kept, waiting, partial]) {
        expect(await client.ended()).toBe('');
        client.close();
      }
      expect(await server.connections()).toBe(0);
      for (const port of [server.port, second]) await expect(openRaw(port)).rejects.toThrow('ECONNREFUSED');
      // Its answer comes now, and there is nobody to get it.
      await new Promise((resolve) => setTimeout(resolve, 1800));
      expect(await server.errors()).toEqual([]);
      expect((await failure(server, LOOPBACK)).code).toBe('ERR_CLOSED');
      await server.close();
    }),
  );
});
