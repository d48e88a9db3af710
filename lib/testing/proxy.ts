/** A TCP proxy that does to connections what networks do to them. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { drained } from '../wire/drained.js';

export interface ProxyOptions {
  /** Where to, as `host:port` or a URL; with a function it is asked for each connection. */
  readonly target: string | (() => string);
  /** Default 0: any. */
  readonly port?: number;
}

/** What happens to all bytes from now on. */
export interface Weather {
  /** Each piece arrives so much later; their order is kept. Milliseconds. */
  readonly delayMs?: number;
  /** Of each connection, each way. */
  readonly bytesPerSecond?: number;
  /** An end or a break of a connection is told so much later. Milliseconds. */
  readonly closeDelayMs?: number;
  /** Nothing passes, neither way: what is under way arrives when it is over, as TCP would send it again. */
  readonly isPartitioned?: boolean;
}

export interface FaultProxy {
  readonly url: string;
  readonly port: number;
  /** Open connections. */
  readonly connections: number;
  /** That the clients have been given. */
  readonly bytes: number;
  /** Replaces the weather; `{}` is fair. */
  set(weather: Weather): void;
  /** Ends all connections by a reset (RST), both ways. */
  reset(): void;
  /** All connections are dead and nobody is told: bytes vanish. New ones work. */
  halfOpen(): void;
  /** Ends each connection (FIN) when so many more bytes have come from the server. */
  truncate(bytes: number): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  isDead: boolean;
  /** Bytes that the server may still send; null: any. */
  left: number | null;
}

/** @throws Error when the port is taken */
export async function startProxy({ target, port = 0 }: ProxyOptions): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let weather: Weather = {};
  let onChange: (() => void)[] = [];
  let bytes = 0;

  const changed = (): Promise<void> => new Promise((resolve) => onChange.push(resolve));

  async function held(): Promise<void> {
    while (weather.isPartitioned === true) await changed();
  }

  /** Passes bytes on one way, piece by piece, so that order and back-pressure are those of the connection. */
  async function pass(pair: Pair, from: Socket, to: Socket): Promise<void> {
    const isAnswer = from === pair.server;
    try {
      for await (const piece of pieces(from)) {
        let chunk = piece;
        if (pair.isDead) continue;
        await held();
        const { delayMs = 0, bytesPerSecond } = weather;
        const slowMs = bytesPerSecond === undefined ? 0 : (1000 * chunk.length) / bytesPerSecond;
        if (delayMs + slowMs > 0) await wait(delayMs + slowMs);
        if (pair.isDead) continue;
        if (isAnswer && pair.left !== null) {
          chunk = chunk.subarray(0, pair.left);
          pair.left -= chunk.length;
        }
        if (isAnswer) bytes += chunk.length;
        if (!to.write(chunk)) await drained(to);
        if (pair.left === 0) break;
      }
    } catch {
      // A connection that broke: the other side is told below.
    }
    if (pair.isDead) return;
    await held();
    if (weather.closeDelayMs !== undefined) await wait(weather.closeDelayMs);
    if (pair.isDead) return;
    const isBroken = from.errored !== null && from.errored !== undefined;
    if (isBroken) to.resetAndDestroy();
    else to.end();
    if (pair.left === 0) pair.server.destroy();
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const [host = '127.0.0.1', at = '80'] = hostAndPort(typeof target === 'string' ? target : target());
    const worker = connect({ host, port: Number(at), allowHalfOpen: true });
    const pair: Pair = { client, server: worker, isDead: false, left: null };
    pairs.add(pair);
    for (const socket of [client, worker]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (client.destroyed && worker.destroyed) pairs.delete(pair);
      });
    }
    worker.once('error', () => {
      if (worker.connecting || !pair.isDead) client.resetAndDestroy();
    });
    void pass(pair, client, worker);
    void pass(pair, worker, client);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as AddressInfo).port;

  function set(next: Weather): void {
    weather = next;
    const waiting = onChange;
    onChange = [];
    for (const wake of waiting) wake();
  }

  async function close(): Promise<void> {
    for (const pair of pairs) {
      pair.isDead = true;
      pair.client.destroy();
      pair.server.destroy();
    }
    set({});
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    get connections() {
      return pairs.size;
    },
    get bytes() {
      return bytes;
    },
    set,
    reset() {
      for (const pair of pairs) {
        pair.isDead = true;
        pair.client.resetAndDestroy();
        pair.server.resetAndDestroy();
      }
    },
    halfOpen() {
      // The server's side ends, as that of a host that has lost its power: nobody tells the client.
      for (const pair of pairs) {
        pair.isDead = true;
        pair.server.resetAndDestroy();
        pair.client.resume();
      }
    },
    truncate(more) {
      for (const pair of pairs) {
        pair.left = more;
        if (more > 0) continue;
        pair.isDead = true;
        pair.client.end();
        pair.server.destroy();
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const hostAndPort = (target: string): string[] =>
  target.replace(/^[a-z]+:\/\/|\/.*$/g, '').split(/:(?=\d+$)/);

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** Chunks of a socket until its end; leaving the loop does not end the socket, as leaving its own iterator would. */
async function* pieces(socket: Socket): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) {
      yield chunk;
      continue;
    }
    if (socket.readableEnded || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const name of ['readable', 'end', 'close', 'error']) socket.off(name, done);
        resolve();
      };
      for (const name of ['readable', 'end', 'close', 'error']) socket.on(name, done);
    });
  }
}
