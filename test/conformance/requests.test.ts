import { describe, expect, test } from 'vitest';
import { ENGINES, type TestServer, withProbeServer } from './probe-server.js';
import { exchange, openRaw, type RawResponse, request } from './raw-client.js';

const ALLOW = 'GET, HEAD, OPTIONS';

function expectOurHeaders({ headers }: RawResponse): void {
  expect(headers['cache-control']).toBe('no-store');
  expect(headers.date).toMatch(/ GMT$/);
  expect(headers).not.toHaveProperty('server');
  expect(headers).not.toHaveProperty('x-powered-by');
  expect(headers).not.toHaveProperty('uwebsockets');
}

describe.each(ENGINES)('probe server on %s', (engine) => {
  const on = (use: (server: TestServer) => Promise<void>) => () => withProbeServer(engine, use);

  test(
    'answers GET with exactly the bytes of the reply',
    on(async ({ port }) => {
      const response = await exchange(port, request('GET', '/live'));
      expect(response).toMatchObject({ status: 200, reason: 'OK', body: '{"call":1,"text":"é"}' });
      expect(response.headers['content-type']).toBe('application/json');
      expect(response.headers['content-length']).toBe('22');
      expectOurHeaders(response);
    }),
  );

  test(
    'answers an empty reply without a content type',
    on(async ({ port }) => {
      const response = await exchange(port, request('GET', '/empty'));
      expect(response).toMatchObject({ status: 200, body: '' });
      expect(response.headers['content-length']).toBe('0');
      expect(response.headers).not.toHaveProperty('content-type');
      expectOurHeaders(response);
    }),
  );

  test(
    'answers HEAD with the header of GET and no body',
    on(async ({ port }) => {
      const client = await openRaw(port);
      for (const path of ['/live', '/empty', '/unready', '/nowhere']) {
        client.send(request('GET', path));
        const whole = await client.response();
        client.send(request('HEAD', path));
        const head = await client.response({ isHead: true });
        expect(head.status).toBe(whole.status);
        const { date: _ignored, ...fields } = head.headers;
        expect(whole.headers).toMatchObject(fields);
        expect(Object.keys(head.headers).sort()).toEqual(Object.keys(whole.headers).sort());
      }
      client.close();
    }),
  );

  test(
    'answers OPTIONS on any path with 204, Allow and no length',
    on(async ({ port }) => {
      for (const path of ['/live', '/', '/nowhere', '/:id/*']) {
        const response = await exchange(port, request('OPTIONS', path));
        expect(response.status).toBe(204);
        expect(response.headers.allow).toBe(ALLOW);
        expect(response.headers).not.toHaveProperty('content-length');
        expectOurHeaders(response);
      }
    }),
  );

  test(
    'answers 405 with Allow to other methods on a path that exists, and 404 elsewhere',
    on(async ({ port }) => {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
        const denied = await exchange(port, request(method, '/live?a'));
        expect(denied).toMatchObject({ status: 405, body: '' });
        expect(denied.headers.allow).toBe(ALLOW);
        expectOurHeaders(denied);
        const missing = await exchange(port, request(method, '/nowhere'));
        expect(missing).toMatchObject({ status: 404, body: 'not found' });
        expectOurHeaders(missing);
      }
    }),
  );

  test(
    'sends Retry-After with 503',
    on(async ({ port }) => {
      const response = await exchange(port, request('GET', '/unready'));
      expect(response).toMatchObject({ status: 503, reason: 'Service Unavailable', body: '{"ready":false}' });
      expect(response.headers['retry-after']).toBe('7');
      expectOurHeaders(response);
    }),
  );

  test(
    'ignores the query in matching and hands it over as it was sent',
    on(async ({ port }) => {
      const queries = ['', 'verbose', 'a=b&c=%20d', '?', 'a?b', 'a=/live', '#'];
      for (const query of queries) {
        const response = await exchange(port, request('GET', `/echo?${query}`, ['Accept: Text/Plain;q=1']));
        expect(response).toMatchObject({ status: 200, body: `query=${query} accept=Text/Plain;q=1` });
      }
      expect((await exchange(port, request('GET', '/echo'))).body).toBe('query= accept=');
      // One request's query must not be seen by the next one.
      expect((await exchange(port, request('GET', '/echo?'))).body).toBe('query= accept=');
    }),
  );

  test(
    'compares paths byte by byte',
    on(async ({ port }) => {
      const client = await openRaw(port);
      for (const path of [
        '/',
        '//live',
        '/live/',
        '/live//',
        '/LIVE',
        '/%6Cive',
        '/live%00',
        '/live%2F',
        '/./live',
        '/x/../live',
        '/live;a=b',
        '/live#fragment',
        '/liv',
        '/livee',
        '//test/live',
        `/${'a'.repeat(3_000)}`,
        '/a'.repeat(1_500),
      ]) {
        client.send(request('GET', path));
        expect({ path, status: (await client.response()).status }).toEqual({ path, status: 404 });
      }
      client.close();
    }),
  );

  test(
    'takes no configured path for a pattern',
    on(async ({ port }) => {
      expect(await exchange(port, request('GET', '/:id/*'))).toMatchObject({ status: 200, body: 'literal' });
      expect(
        (await exchange(port, request('HEAD', '/:id/*'), { isHead: true })).headers['content-length'],
      ).toBe('7');
      expect((await exchange(port, request('POST', '/:id/*'))).status).toBe(405);
      expect((await exchange(port, request('GET', '/x/y'))).status).toBe(404);
    }),
  );

  test(
    'answers pipelined requests in order, each with its own bytes',
    on(async ({ port }) => {
      const client = await openRaw(port);
      client.send(request('GET', '/live').repeat(100));
      for (let call = 1; call <= 100; call += 1) {
        expect((await client.response()).body).toBe(`{"call":${call},"text":"é"}`);
      }
      client.close();
    }),
  );

  test(
    'answers a request that arrives byte by byte',
    on(async ({ port }) => {
      const client = await openRaw(port);
      client.socket.setNoDelay(true);
      for (const byte of request('GET', '/live?a=b', ['X-Some: header'])) {
        client.send(byte);
        await new Promise(setImmediate);
      }
      expect((await client.response()).status).toBe(200);
      client.close();
    }),
  );

  test(
    'keeps a connection by default and ends it on `Connection: close`',
    on(async ({ port }) => {
      const client = await openRaw(port);
      for (const path of ['/live', '/nowhere', '/unready', '/live']) {
        client.send(request('GET', path));
        await client.response();
      }
      client.send(request('GET', '/live', ['Connection: close']));
      expect((await client.response()).body).toContain('"call":3');
      expect(await client.ended()).toBe('');
      client.close();
    }),
  );

  test(
    'reads over request bodies and serves what follows them',
    on(async ({ port }) => {
      const client = await openRaw(port);
      for (const method of ['GET', 'POST']) {
        const expected = method === 'GET' ? 200 : 405;
        client.send(`${request(method, '/live', ['Content-Length: 5'])}hello${request('GET', '/empty')}`);
        expect((await client.response()).status).toBe(expected);
        expect(await client.response()).toMatchObject({ status: 200, body: '' });
        client.send(
          `${request(method, '/live', ['Transfer-Encoding: chunked'])}5\r\nhello\r\n0\r\n\r\n${request('GET', '/empty')}`,
        );
        expect((await client.response()).status).toBe(expected);
        expect(await client.response()).toMatchObject({ status: 200, body: '' });
      }
      client.close();
    }),
  );

  test(
    'answers before a large body has arrived and does not keep its bytes',
    on(async ({ port, connections }) => {
      const client = await openRaw(port);
      const megabytes = 64;
      client.send(request('GET', '/live', [`Content-Length: ${megabytes << 20}`]));
      expect((await client.response()).status).toBe(200);
      const chunk = Buffer.alloc(1 << 20);
      for (let sent = 0; sent < megabytes; sent += 1) {
        await new Promise((resolve) => client.socket.write(chunk, resolve));
      }
      client.send(request('GET', '/live'));
      expect((await client.response()).status).toBe(200);
      expect(await connections()).toBe(1);
      client.close();
    }),
  );

  test(
    'answers 100 Continue to a client that waits for it, and ignores other expectations',
    on(async ({ port }) => {
      const client = await openRaw(port);
      client.send(request('GET', '/live', ['Expect: 100-continue', 'Content-Length: 2']));
      expect((await client.response()).status).toBe(100);
      client.send('ab');
      expect((await client.response()).status).toBe(200);
      client.close();
      expect((await exchange(port, request('GET', '/live', ['Expect: a miracle']))).status).toBe(200);
    }),
  );

  test(
    'stays with HTTP/1.1 when a client offers an upgrade',
    on(async ({ port }) => {
      for (const protocol of ['h2c', 'websocket']) {
        const lines = [
          'Connection: Upgrade',
          `Upgrade: ${protocol}`,
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ];
        expect((await exchange(port, request('GET', '/live', lines))).status).toBe(200);
      }
    }),
  );

  test(
    'refuses requests whose length is in doubt',
    on(async ({ port }) => {
      for (const lines of [
        ['Content-Length: abc'],
        ['Content-Length: -1'],
        ['Content-Length: 3', 'Transfer-Encoding: chunked'],
        ['Bad Header: x'],
      ]) {
        const client = await openRaw(port);
        client.send(request('POST', '/live', lines));
        expect({ lines, status: (await client.response()).status }).toEqual({ lines, status: 400 });
        await client.ended();
        client.close();
      }
    }),
  );

  test(
    'sends a body of 4 MiB whole, at once or later, to a client that reads late',
    on(async ({ port, errors }) => {
      for (const path of ['/big', '/later-big']) {
        const client = await openRaw(port);
        client.socket.pause();
        client.send(request('GET', path));
        await new Promise((resolve) => setTimeout(resolve, 200));
        client.socket.resume();
        expect((await client.response()).body.length).toBe(4 << 20);
        client.send(request('GET', '/live'));
        expect((await client.response()).status).toBe(200);
        client.close();
      }
      expect(await errors()).toEqual([]);
    }),
  );

  test(
    'reports each answer with the configured path, never with text of the request',
    on(async ({ port, observed }) => {
      for (const [method, path] of [
        ['GET', '/live?a=b'],
        ['HEAD', '/unready'],
        ['POST', '/live'],
        ['GET', '/secret'],
        ['OPTIONS', '/live'],
        ['GET', '/later?5'],
        ['GET', '/:id/*'],
        ['GET', '/throws'],
      ] as const) {
        await exchange(port, request(method, path), { isHead: method === 'HEAD' });
      }
      const seen = await observed();
      expect(seen.map(({ path, statusLine }) => `${path} ${statusLine}`)).toEqual([
        '/live 200 OK',
        '/unready 503 Service Unavailable',
        '/live 405 Method Not Allowed',
        '* 404 Not Found',
        '* 204 No Content',
        '/later 200 OK',
        '/:id/* 200 OK',
        '/throws 500 Internal Server Error',
      ]);
      for (const { durationMs } of seen) expect(durationMs).toBeGreaterThanOrEqual(0);
      expect(seen[5]?.durationMs).toBeGreaterThanOrEqual(4);
    }),
  );

  test(
    'answers 500 with an empty body when a route throws or rejects, and lives on',
    on(async ({ port, errors }) => {
      const client = await openRaw(port);
      for (const [path, reported] of [
        ['/throws', 'Error: thrown on purpose'],
        ['/rejects', 'Error: rejected on purpose'],
      ] as const) {
        for (const method of ['GET', 'HEAD']) {
          client.send(request(method, path));
          const response = await client.response({ isHead: method === 'HEAD' });
          expect(response).toMatchObject({ status: 500, reason: 'Internal Server Error', body: '' });
          expect(response.headers['content-length']).toBe('0');
          expectOurHeaders(response);
          expect(await errors()).toEqual([reported]);
        }
      }
      client.close();
    }),
  );

  test(
    'survives a reply that cannot be written',
    on(async ({ port, errors }) => {
      const client = await openRaw(port);
      client.send(request('GET', '/malformed'));
      // Whether a 500 or an end: something comes back, and it is reported.
      await Promise.race([client.response().catch(() => undefined), client.ended()]);
      client.close();
      expect((await errors()).length).toBe(1);
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
    }),
  );
});
