import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Longer than in the suite: `FUZZ_RUNS=2000 npx vitest run test/fuzz`. */
export const runs = (few: number): number => Number(process.env.FUZZ_RUNS ?? few);
export const LIMIT_MS = 90_000 + 500 * runs(0);

/** Sends bytes over one connection and reads until it is closed, or for so long; a client may hang up earlier. */
export function exchange(url: string, bytes: Buffer, { hangUpMs = 5000 } = {}): Promise<string> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    const timer = setTimeout(() => socket.destroy(), hangUpMs);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.write(bytes);
  });
}

export function postBytes(body: string | Buffer, headers = ''): Buffer {
  const length = Buffer.byteLength(body);
  return Buffer.concat([
    Buffer.from(
      `POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${headers}\r\n`,
    ),
    Buffer.from(body),
  ]);
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export function answerOf(text: string): Answer {
  const end = text.indexOf('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), body: text.slice(end + 4) };
}

export type Piece = { readonly bytes: Buffer } | { readonly waitMs: number } | { readonly reset: true };

/** A server that plays a script to every connection, by the path of its first request; then closes it. */
export async function withScripted(
  script: (path: string) => readonly Piece[] | 'stay',
  use: (url: string) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (head) => {
      const pieces = script(/^\S+ (\S+)/.exec(head.toString('latin1'))?.[1] ?? '');
      if (pieces !== 'stay') void play(socket, pieces);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

async function play(socket: Socket, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    if ('reset' in piece) {
      socket.resetAndDestroy();
      return;
    }
    if ('bytes' in piece) socket.write(piece.bytes);
    else await waitUnlessClosed(socket, piece.waitMs);
  }
  socket.end();
}

function waitUnlessClosed(socket: Socket, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    socket.on('close', done);
  });
}

export interface Held {
  readonly files: number;
  readonly timers: number;
  readonly heapMiB: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What this process holds. */
export function held(): Held {
  collect();
  return {
    files: readdirSync('/proc/self/fd').length,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
  };
}
