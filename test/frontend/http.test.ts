import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { post, stream, withFleet } from './fleet.js';

const TOKEN = 'a token of nobody'.replaceAll(' ', '-');
const NOBODY = 'http://127.0.0.1:9';

interface Answer {
  readonly error: { readonly message: string };
  readonly object: string;
  readonly data: { readonly created: number }[];
}

async function withFrontend(options: object, use: (frontend: Frontend) => Promise<void>): Promise<void> {
  const frontend = await startFrontend({ workers: [NOBODY], port: 0, ...options });
  try {
    await use(frontend);
  } finally {
    await frontend.close();
  }
}

/** What comes back for these bytes until the other side ends, or `enough` has come. */
async function raw(url: string, text: string, enough = /\0/): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8');
  let received = '';
  socket.on('data', (chunk: string) => {
    received += chunk;
    if (enough.test(received)) socket.destroy();
  });
  socket.write(text);
  await once(socket, 'close');
  return received;
}

it('answers paths, methods and HEAD as HTTP wants, with errors in the form of OpenAI', async () => {
  await withFrontend({}, async ({ url }) => {
    const wrong = await fetch(`${url}/v1/completions`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    expect(await wrong.json()).toEqual({
      error: {
        message: '/v1/completions does not take GET, it takes POST, OPTIONS',
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    });
    const options = await fetch(`${url}/v1/models`, { method: 'OPTIONS', headers: { origin: 'http://a' } });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
    expect([...options.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    const head = await fetch(`${url}/health`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '72', '']);
    const nowhere = await fetch(`${url}/v2?x`);
    expect([nowhere.status, ((await nowhere.json()) as Answer).error.message]).toEqual([
      404,
      'Route not found: GET /v2',
    ]);
    expect(await raw(url, 'GET /live HTTP/1.1\r\nHost: a\r\n\r\n', /\}/)).toMatch(
      /^keep-alive: timeout=75\r$/im,
    );
  });
});

it('tells what is no HTTP so in the form of OpenAI', async () => {
  await withFrontend({}, async ({ url }) => {
    expect(await raw(url, 'NONSENSE\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 [\s\S]*"message":"the request is not HTTP"/,
    );
    const long = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`;
    expect(await raw(url, long)).toMatch(/^HTTP\/1.1 431 [\s\S]*"the headers are too large"/);
  });
});

it('refuses a body that is too large before it is sent', async () => {
  await withFrontend({ maxBodyBytes: 100 }, async ({ url }) => {
    const head = (length: number): string =>
      `POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
    expect(await raw(url, head(101), /\}\}/)).toMatch(/^HTTP\/1.1 413 [\s\S]*larger than 100 bytes/);
    expect(await raw(url, `${head(2)}{}`, /\}\}/)).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 400 /);
  });
});

it('lists models with when they came, and each of them alone', async () => {
  await withFleet({ names: ['one'] }, async ({ url }) => {
    const { object, data } = (await (await fetch(`${url}/v1/models`)).json()) as Answer;
    expect([object, data.length]).toEqual(['list', 1]);
    expect(data[0]).toEqual({
      id: 'toy',
      object: 'model',
      created: expect.any(Number),
      owned_by: 'inference-health',
    });
    expect(Math.abs(data[0]!.created - Date.now() / 1000)).toBeLessThan(60);
    expect(await (await fetch(`${url}/v1/models/toy`)).json()).toEqual(data[0]);
    const other = await fetch(`${url}/v1/models/org%2Ftoy`);
    expect([other.status, ((await other.json()) as Answer).error]).toEqual([
      404,
      expect.objectContaining({ code: 'model_not_found', message: 'no worker serves the model "org/toy"' }),
    ]);
    expect((await fetch(`${url}/v1/models/%E0%A4%A`)).status).toBe(404);
  });
});

it('answers at other paths where it is told to', async () => {
  await withFrontend({ paths: { health: '/healthz', live: '/alive' } }, async ({ url }) => {
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/health`)).status).toBe(404);
    expect(await (await fetch(`${url}/alive`)).json()).toMatchObject({ status: 'live' });
  });
  const start = (paths: object) => startFrontend({ workers: [NOBODY], port: 0, paths });
  await expect(start({ live: '/health' })).rejects.toThrow(/each path once/);
  await expect(start({ live: 'live' })).rejects.toThrow(/paths.live: expected a path/);
  await expect(start({ alive: '/a' })).rejects.toThrow(/unknown key of paths 'alive'/);
});

it('ends its connections while it drains', async () => {
  await withFleet({ names: ['one'] }, async (frontend) => {
    const { url } = frontend;
    const running = stream(url, { prompt: 'x', max_tokens: 200 });
    await until(() => frontend.inFlight === 1);
    const drained = frontend.drain();
    const late = await post(url, { prompt: 'late' });
    expect([late.status, late.headers.get('connection')]).toEqual([503, 'close']);
    expect(await running).toMatchObject({ isDone: true, errors: [] });
    await drained;
  });
});

it('sets thresholds while it serves, for who has the token', async () => {
  await withFleet({ names: ['one'], adminToken: TOKEN }, async (frontend) => {
    const { url } = frontend;
    const ask = async (body?: unknown, headers: Record<string, string> = {}): Promise<[number, unknown]> => {
      const response = await fetch(`${url}/busy_threshold`, {
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined
          ? {}
          : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      return [response.status, await response.json()];
    };
    const none = {
      model: 'toy',
      active_decode_blocks_threshold: null,
      active_prefill_tokens_threshold: null,
      active_prefill_tokens_threshold_frac: null,
    };
    expect(await ask()).toEqual([200, { thresholds: [none] }]);
    expect(await ask({ model: 'toy', active_decode_blocks_threshold: 0.85 })).toEqual([
      200,
      { ...none, active_decode_blocks_threshold: 0.85 },
    ]);
    // What is not given, or null, stays.
    const both = { ...none, active_decode_blocks_threshold: 0.85, active_prefill_tokens_threshold: 0 };
    expect(
      await ask({ model: 'toy', active_decode_blocks_threshold: null, active_prefill_tokens_threshold: 0 }),
    ).toEqual([200, both]);
    expect(await ask({ model: 'toy' })).toEqual([200, both]);
    expect(await ask()).toEqual([200, { thresholds: [both] }]);
    expect(await ask({ model: 'other' })).toEqual([200, { ...none, model: 'other' }]);
    expect(await ask({ model: 'other', active_prefill_tokens_threshold: 1 })).toEqual([
      404,
      { error: "Model 'other' not found. Thresholds can only be set for discovered models." },
    ]);
    expect(await ask({ model: 'toy', active_decode_blocks_threshold: 1.5 })).toEqual([
      400,
      { error: 'active_decode_blocks_threshold must be between 0.0 and 1.0, got 1.5' },
    ]);
    expect(await ask({ model: 'toy', active_prefill_tokens_threshold_frac: -1 })).toEqual([
      400,
      {
        error:
          'active_prefill_tokens_threshold_frac must be a finite value greater than or equal to 0.0, got -1',
      },
    ]);
    const misfit = /^Failed to deserialize the JSON body into the target type: /;
    for (const body of [
      [],
      {},
      { model: 1 },
      { model: 'toy', active_decode_blocks_threshold: 'x' },
      { model: 'toy', active_prefill_tokens_threshold: 1.5 },
    ])
      expect(await ask(body)).toEqual([422, { error: expect.stringMatching(misfit) }]);
    expect(await ask('{')).toEqual([400, { error: expect.stringMatching(/^Failed to parse/) }]);
    expect((await ask({ model: 'toy' }, { 'content-type': 'text/plain' }))[0]).toBe(415);
    expect((await ask(`{"model":"${'x'.repeat(5000)}"}`))[0]).toBe(413);
    expect((await ask({ model: 'toy' }, { authorization: 'Bearer wrong' }))[0]).toBe(401);
    expect((await ask({ model: 'toy' }, { origin: 'http://evil' }))[0]).toBe(403);
    expect((await ask(undefined, { authorization: '' }))[0]).toBe(401);
    const method = await fetch(`${url}/busy_threshold`, { method: 'PUT' });
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
  });
});

it('takes thresholds that are set at run time for what workers have reported', async () => {
  await withFleet({ names: ['one'], adminToken: TOKEN }, async (frontend, [worker]) => {
    const set = (value: number) =>
      fetch(`${frontend.url}/busy_threshold`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'toy', active_decode_blocks_threshold: value }),
      });
    worker!.steer({ kvBlocksUsed: 50 });
    expect((await set(0.4)).status).toBe(200);
    await until(() => frontend.workers()[0]?.isBusy === true);
    expect((await set(0.6)).status).toBe(200);
    expect(frontend.workers()[0]?.isBusy).toBe(false);
  });
});

it('has no /busy_threshold without a token', async () => {
  await withFrontend({}, async ({ url }) => {
    expect((await fetch(`${url}/busy_threshold`)).status).toBe(404);
  });
  await expect(startFrontend({ workers: [NOBODY], port: 0, adminToken: 'short' })).rejects.toThrow(
    /adminToken: expected a token of at least 16 bytes/,
  );
});
