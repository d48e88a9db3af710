import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type BodyError, type JsonBody, readJson } from '../../lib/worker/http-body.js';
import { BadRequest, parseCompletion } from '../../lib/worker/request.js';

let server: Server | null = null;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** What `readJson` makes of a request that is sent as it stands. */
async function read(request: string): Promise<JsonBody | BodyError> {
  const own = createServer();
  server = own;
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  const result = new Promise<JsonBody | BodyError>((resolve) => {
    own.on('request', (incoming) => readJson(incoming, 1000).then(resolve, resolve));
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

  it('is the fault of the client where it is nested deeper than an error can show', () => {
    const prompt: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    expect(() => parseCompletion({ prompt }, false)).toThrow(BadRequest);
  });
});
