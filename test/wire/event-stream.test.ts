import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEventStream, type EventStream } from '../../lib/wire/event-stream.js';

type Write = (stream: EventStream, response: ServerResponse, path: string) => Promise<void> | void;

/** All bytes that a server answers to what is sent over one connection. */
async function answers(sent: string, write: Write): Promise<string> {
  const server = createServer((request, response) => {
    const stream = createEventStream(response, () =>
      response.writeHead(200, { 'Content-Type': 'text/plain' }),
    );
    void write(stream, response, request.url ?? '');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    socket.write(sent);
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += chunk;
    return text;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const get = (path: string, version = '1.1', connection = 'close'): string =>
  `GET ${path} HTTP/${version}\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;

/** The bodies of chunked answers, each as its list of chunks. */
function bodies(text: string): string[][] {
  const found: string[][] = [];
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    rest = rest.subarray(rest.indexOf('\r\n\r\n') + 4);
    const chunks: string[] = [];
    for (;;) {
      const end = rest.indexOf('\r\n');
      const size = Number.parseInt(rest.toString('latin1', 0, end), 16);
      expect(rest.toString('latin1', end + 2 + size, end + 4 + size)).toBe('\r\n');
      if (size > 0) chunks.push(rest.toString('utf8', end + 2, end + 2 + size));
      rest = rest.subarray(end + 4 + size);
      if (size === 0) break;
    }
    found.push(chunks);
  }
  return found;
}

describe('a stream of events', () => {
  it('has what one turn writes in one chunk, in order, with every character', async () => {
    const text = await answers(get('/'), async (stream) => {
      for (const part of ['a', 'żółć', '🙂']) {
        stream.write(part);
        stream.write(`${part}!`);
        await turn();
      }
      stream.write('last');
      stream.end('end');
    });
    expect(bodies(text)).toEqual([['aa!', 'żółćżółć!', '🙂🙂!', 'lastend']]);
  });

  it('comes after the answers before it on the same connection', async () => {
    const text = await answers(
      get('/slow', '1.1', 'keep-alive') + get('/fast'),
      async (stream, _response, path) => {
        for (let i = 0; i < 3; i += 1) {
          stream.write(`${path}${i} `);
          await new Promise((resolve) => setTimeout(resolve, path === '/slow' ? 20 : 1));
        }
        stream.end('end');
      },
    );
    expect(bodies(text).map((chunks) => chunks.join(''))).toEqual([
      '/slow0 /slow1 /slow2 end',
      '/fast0 /fast1 /fast2 end',
    ]);
  });

  it('has no chunks for a client of HTTP/1.0', async () => {
    const text = await answers(get('/', '1.0'), async (stream) => {
      stream.write('one ');
      await turn();
      stream.write('two ');
      await turn();
      stream.end('end');
    });
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('one two end');
  });

  it('may be written to after its client has left', async () => {
    let close = (): void => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    await answers(get('/'), async (stream, response) => {
      stream.write('one');
      await turn();
      response.socket?.destroy();
      stream.write('two');
      await turn();
      stream.write('three');
      stream.end('end');
      close();
    });
    await closed;
  });
});
