import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { createApiServer } from '../../lib/wire/api-server.js';
import { listen } from '../../lib/wire/listen.js';
import { until } from '../helpers/package.js';
import { endToy, startToy } from './fleet.js';

/** All that comes back for these bytes, until the other side ends the connection or has said nothing for a while. */
async function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('data', (bytes) => {
    received += bytes;
    socket.setTimeout(300);
  });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return received;
}

const statuses = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => code ?? '');

const HEAD = 'POST /v1/completions HTTP/1.1\r\nHost: x\r\n';
const HIDDEN = 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n';

/** What two parsers may read as requests that begin elsewhere; here each is one refusal, and the connection ends. */
const SMUGGLED: readonly (readonly [string, string])[] = [
  ['both lengths', `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['both, the other way', `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['two lengths', `${HEAD}Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd${HIDDEN}`],
  ['a list of lengths', `${HEAD}Content-Length: 4, 40\r\n\r\nabcd${HIDDEN}`],
  ['a signed length', `${HEAD}Content-Length: +4\r\n\r\nabcd${HIDDEN}`],
  ['a negative length', `${HEAD}Content-Length: -1\r\n\r\n${HIDDEN}`],
  ['a huge length', `${HEAD}Content-Length: 99999999999999999999\r\n\r\n${HIDDEN}`],
  ['another encoding', `${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['chunked not last', `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`],
  [
    'chunked twice',
    `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  ],
  ['a space before the colon', `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ['a folded header', `${HEAD}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n${HIDDEN}`],
  ['a bare line feed', `${HEAD}X-A: b\nTransfer-Encoding: chunked\r\n\r\n${HIDDEN}`],
  ['a zero byte', `${HEAD}X-A: b\0c\r\n\r\n${HIDDEN}`],
  ['a wrong chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n${HIDDEN}`],
  ['a chunk that is too long', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n${HIDDEN}`],
  ['no host', `POST /v1/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n`],
  ['another version', `POST /v1/completions HTTP/9.1\r\nHost: x\r\n\r\n${HIDDEN}`],
];

describe.each(['frontend', 'worker'])('a request to a %s', (which) => {
  async function withUrl(use: (url: string) => Promise<void>): Promise<void> {
    const worker = await startToy('one');
    const frontend =
      which === 'worker' ? null : await startFrontend({ port: 0, discovery: false, workers: [worker.url] });
    try {
      await use(frontend?.url ?? worker.url);
    } finally {
      await frontend?.close();
      endToy(worker);
    }
  }

  it('hides no other one', async () => {
    await withUrl(async (url) => {
      const answers = await Promise.all(
        SMUGGLED.map(async ([name, text]) => [name, statuses(await exchange(url, text))] as const),
      );
      for (const answer of answers) expect(answer).toEqual([answer[0], ['400']]);
      expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    });
  });

  it('with absurd headers is refused, and with half of it nobody waits for the rest', async () => {
    await withUrl(async (url) => {
      const large = `${HEAD}X-A: ${'a'.repeat(20_000)}\r\n\r\n`;
      const many = `${HEAD}${'X-A: b\r\n'.repeat(5000)}\r\n`;
      expect(statuses(await exchange(url, large))).toEqual(['431']);
      expect(statuses(await exchange(url, many))).toEqual(['431']);
      // Others are served meanwhile.
      const { hostname, port } = new URL(url);
      const half = Array.from({ length: 50 }, () =>
        connect(Number(port), hostname).on('error', () => undefined),
      );
      for (const socket of half) socket.write(`${HEAD}Content-Length: 10\r\n\r\n{"p`);
      expect((await fetch(`${url}/v1/models`)).status).toBe(200);
      for (const socket of half) socket.destroy();
    });
  });
});

it('who sends slowly is cut off: half a head after 10 s, half a body after a minute', async () => {
  const { server } = createApiServer(undefined, (request, response) => {
    request.resume();
    request.on('end', () => response.end());
  });
  expect([server.headersTimeout, server.requestTimeout]).toEqual([10_000, 60_000]);
  // So that nobody waits for it here.
  server.headersTimeout = 100;
  server.requestTimeout = 200;
  const { url } = await listen(server, 0, '127.0.0.1');
  try {
    const [head, body] = await Promise.all([
      exchange(url, HEAD),
      exchange(url, `${HEAD}Content-Length: 10\r\n\r\nabc`),
    ]);
    expect([statuses(head), statuses(body)]).toEqual([['408'], ['408']]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

describe('what a worker sees of a client', () => {
  /** A worker that says it is there and notes what it is asked. */
  async function withListener(
    use: (url: string, seen: IncomingHttpHeaders[]) => Promise<void>,
  ): Promise<void> {
    const seen: IncomingHttpHeaders[] = [];
    const beacon = {
      ...{ worker: 'w', incarnation: 'i', model: 'm', state: 'serving', ready: true, engineStep: 0 },
      ...{ running: 0, waiting: 0, scheduledTokens: 0, activeTokens: 0, kvBlocksUsed: 0 },
      ...{ kvBlocksTotal: 0, expectedStepMs: 0 },
    };
    const server: Server = createServer((request, response) => {
      if (request.url === '/v1/beacons') {
        response.write(`${JSON.stringify(beacon)}\n`);
        return;
      }
      seen.push(request.headers);
      response.writeHead(400).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  const ALLOWED = [
    'accept',
    'connection',
    'content-length',
    'content-type',
    'host',
    'traceparent',
    'x-request-id',
  ];
  const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('is a request id and a trace that are what they should be, and no other header', async () => {
    await withListener(async (worker, seen) => {
      const frontend = await startFrontend({ port: 0, discovery: false, workers: [worker] });
      try {
        await until(() => frontend.workers()[0]?.state === 'serving');
        const ask = async (headers: string): Promise<IncomingHttpHeaders> => {
          const count = seen.length;
          const body = '{"prompt":"x"}';
          await exchange(frontend.url, `${HEAD}Content-Length: ${body.length}\r\n${headers}\r\n${body}`);
          await until(() => seen.length > count);
          return seen[count] ?? {};
        };
        const hostile = [
          'Authorization: Bearer of-the-client',
          'Cookie: session=1',
          'X-Forwarded-For: 10.0.0.1',
          'X-Inference-Outcome: success',
          'Proxy-Authorization: Basic x',
          'Connection: close, X-Request-Id',
          'Keep-Alive: timeout=9999',
          'TE: trailers',
          'Accept: application/vnd.inference-health.frames+ndjson',
        ].map((line) => `${line}\r\n`);
        const headers = await ask(`${hostile.join('')}X-Request-Id: mine\r\ntraceparent: ${TRACE}\r\n`);
        expect(Object.keys(headers).sort()).toEqual(ALLOWED);
        expect(headers['x-request-id']).toMatch(/^mine-\d+-\d+$/);
        expect(headers).toMatchObject({ traceparent: TRACE, connection: 'keep-alive' });
        const bad: readonly (readonly [string, string])[] = [
          ['X-Request-Id: a b', 'traceparent: 00-0-0-01'],
          [`X-Request-Id: ${'i'.repeat(129)}`, `traceparent: ff${TRACE.slice(2)}`],
          ['X-Request-Id: ü', `traceparent: ${TRACE.toUpperCase()}`],
          ['X-Request-Id: one\r\nX-Request-Id: two', `traceparent: ${TRACE}\r\ntraceparent: ${TRACE}`],
          ['X-Request-Id: <script>', `traceparent: ${TRACE}-x`],
        ];
        for (const [id, trace] of bad) {
          const replaced = await ask(`${id}\r\n${trace}\r\nConnection: close\r\n`);
          expect([id, replaced['x-request-id']]).toEqual([
            id,
            expect.stringMatching(/^req-[0-9a-f]{24}-\d+-\d+$/),
          ]);
          expect([trace, replaced.traceparent]).toEqual([trace, undefined]);
        }
      } finally {
        await frontend.close();
      }
    });
  });
});
