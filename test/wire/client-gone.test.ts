import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { onClientGone } from '../../lib/wire/client-gone.js';
import { until } from '../helpers/package.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function withServer(listener: Listener, use: (socket: Socket) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  try {
    await use(socket);
  } finally {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

it('tells that the client has closed its side before the response is closed, and once', async () => {
  const events: string[] = [];
  const listener: Listener = (_, response) => {
    onClientGone(response, () => events.push('gone'));
    response.on('close', () => events.push('close'));
    response.write('a');
  };
  await withServer(listener, async (socket) => {
    socket.write(get('/'));
    await once(socket, 'data');
    socket.end();
    await until(() => events.includes('close'));
  });
  expect(events).toEqual(['gone', 'close']);
});

it('tells those too that are pipelined and wait for their turn', async () => {
  const gone: string[] = [];
  const asked: string[] = [];
  const listener: Listener = ({ url = '' }, response) => {
    asked.push(url);
    onClientGone(response, () => gone.push(url));
  };
  await withServer(listener, async (socket) => {
    socket.write(get('/1') + get('/2') + get('/3'));
    await until(() => asked.length === 3);
    socket.destroy();
    await until(() => gone.length === 3);
  });
  expect(gone).toEqual(['/1', '/2', '/3']);
});

it('tells the end of each answer on a connection that is kept, and leaves no listener behind', async () => {
  const listeners: number[] = [];
  let gone = 0;
  const listener: Listener = ({ socket }, response) => {
    onClientGone(response, () => {
      gone += 1;
    });
    listeners.push(socket.listenerCount('end') + socket.listenerCount('close'));
    response.end('a');
  };
  await withServer(listener, async (socket) => {
    for (let index = 0; index < 20; index += 1) {
      socket.write(get('/'));
      await until(() => gone === index + 1);
    }
  });
  expect(gone).toBe(20);
  expect(new Set(listeners).size).toBe(1);
});
