import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fail } from '../../lib/worker/failure.js';
import { BodyError, type BodyRoom, type JsonBody, readJson } from '../../lib/worker/http-body.js';
import { BadRequest, parseCompletion } from '../../lib/worker/request.js';

let server: Server | null = null;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** What `readJson` makes of a request that is sent as it stands. */
async function read(
  request: string | Buffer,
  maxBytes = 1000,
  room?: BodyRoom,
): Promise<JsonBody | BodyError> {
  const own = createServer();
  server = own;
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  const result = new Promise<JsonBody | BodyError>((resolve) => {
    own.on('request', (incoming) => readJson(incoming, maxBytes, room).then(resolve, resolve));
  });
  const client = connect((own.address() as AddressInfo).port, '127.0.0.1', () => client.write(request));
  client.on('error', () => undefined);
  return result;
}

const HEAD = 'POST / HTTP/1.1\r\nHost: x\r\n';

describe('the body of a request', () => {
  it('counts with the bytes that came, also where no header says how many', async () => {
    expect(await read(`${HEAD}Content-Length: 9\r\n\r\n{"a": 12}`)).toMatchObject({
      value: { a: 12 },
      bytes: 9,
    });
    expect(
      await read(`${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n5\r\n: 12}\r\n0\r\n\r\n`),
    ).toMatchObject({
      value: { a: 12 },
      bytes: 9,
    });
  });

  it('is refused when it is too large, chunked or not', async () => {
    const large = 'x'.repeat(1001);
    for (const request of [
      `${HEAD}Content-Length: 1001\r\n\r\n${large}`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${large}\r\n0\r\n\r\n`,
    ])
      expect(await read(request)).toMatchObject({ status: 413 });
  });

  it('takes the memory of its bytes, in however small pieces they come', async () => {
    const bytes = 2_000_000;
    const piece = Buffer.from('1\r\n \r\n');
    const pieces = Buffer.alloc(piece.length * bytes, piece);
    const rss = process.memoryUsage.rss();
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 5);
    const head = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
    const sent = Buffer.concat([Buffer.from(head), pieces, Buffer.from('1\r\n7\r\n0\r\n\r\n')]);
    expect(await read(sent, 10_000_000)).toMatchObject({ value: 7, bytes: bytes + 1 });
    clearInterval(timer);
    expect(peak - rss).toBeLessThan(150 * 1024 * 1024);
  });

  it('is refused where too many are on their way, and leaves its room to others', async () => {
    const room = { maxBytes: 2000, usedBytes: 1500 };
    const large = `${HEAD}Content-Length: 900\r\n\r\n${'x'.repeat(900)}`;
    expect(await read(large, 1000, room)).toMatchObject({ status: 503 });
    expect(room.usedBytes).toBe(1500);
    expect(await read(`${HEAD}Content-Length: 2\r\n\r\n{}`, 1000, room)).toMatchObject({ bytes: 2 });
    expect(await read(`${HEAD}Content-Length: 2\r\n\r\n{]`, 1000, room)).toMatchObject({ status: 400 });
    expect(room.usedBytes).toBe(1500);
  });

  it('is the fault of the client where it is nested deeper than it could be passed on', () => {
    const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    for (const fields of [{ tools: deep }, { messages: [deep] }, { logit_bias: deep }])
      expect(() => parseCompletion({ prompt: 'x', ...fields }, 'messages' in fields, true)).toThrow(
        /expected at most 256 levels/,
      );
    const schema: unknown = JSON.parse('['.repeat(200) + ']'.repeat(200));
    expect(parseCompletion({ prompt: 'x', guided_json: schema }, false, true).stateful).toBe('guided_json');
  });

  it('is the fault of the client where it is nested deeper than an error can show', () => {
    const prompt: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    expect(() => parseCompletion({ prompt }, false)).toThrow(BadRequest);
  });
});

it('a worker that has no room for a body says so as for any load, with the wait', async () => {
  const own = createServer((_, response) => fail(response, new BodyError(503, 'too many bodies')));
  server = own;
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  const response = await fetch(`http://127.0.0.1:${(own.address() as AddressInfo).port}`);
  expect([response.status, response.headers.get('retry-after'), response.headers.get('connection')]).toEqual([
    503,
    '1',
    'close',
  ]);
  expect(await response.json()).toMatchObject({ error: { type: 'overloaded_error' } });
});
