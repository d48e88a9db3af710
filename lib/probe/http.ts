import { createServer, type Server } from 'node:http';
import type { AddressInfo, ListenOptions, Socket } from 'node:net';
import { connectionLimit } from './connection-limit.js';
import { refuse } from './http-refuse.js';
import { routeHttp } from './http-routes.js';
import { closedFailure, failureFromErrno } from './listen-failure.js';
import { lacksAddressFamily, listenHosts } from './listen-host.js';
import { safeReport } from './report.js';
import type { ListenResult, ListenTarget, ProbeRoutes, ProbeServer, ProbeServerOptions } from './server.js';
import { claimUnixSocket } from './unix-socket.js';

/** uWebSockets.js ends idle and slow connections after a fixed 10 s; here it is the same, seen at the next check. */
const CONNECTION_TIMEOUT_MS = 10_000;
const TIMEOUT_CHECK_MS = 2_000;
/** node:net lets an unread answer sit for two of these: it takes the first one's bytes in the kernel for progress. */
const UNREAD_ANSWER_MS = 5_000;
const MAX_HEADER_BYTES = 16_384;

interface Listener {
  readonly server: Server;
  readonly release: () => void;
}

/** The engine that always loads: node:http, tuned to end what uWebSockets.js ends. */
export function createHttpServer(options: ProbeServerOptions = {}): ProbeServer {
  const report = safeReport(options.onError);
  const listeners = new Set<Listener>();
  const sockets = new Set<Socket>();
  const late = new Set<Socket>();
  const limit = connectionLimit();
  let isClosed = false;

  async function listen(target: ListenTarget, routes: ProbeRoutes): Promise<ListenResult> {
    if (isClosed) return { ok: false, failure: closedFailure(target) };
    try {
      return target.kind === 'unix' ? await listenUnix(target, routes) : await listenTcp(target, routes);
    } catch (error) {
      report(error);
      return { ok: false, failure: failureFromErrno(target, undefined, String(error)) };
    }
  }

  async function listenTcp(
    target: ListenTarget & { kind: 'tcp' },
    routes: ProbeRoutes,
  ): Promise<ListenResult> {
    const hosts = listenHosts(target);
    if ('code' in hosts) return { ok: false, failure: hosts };
    let errno: string | undefined;
    for (const host of hosts) {
      const server = newServer(routes);
      const error = await bind(server, { host, port: target.port, exclusive: true });
      if (error === null) {
        if (!keep({ server, release: () => undefined })) break;
        const { address, port } = server.address() as AddressInfo;
        return { ok: true, bound: { kind: 'tcp', host: address, port } };
      }
      errno = error.code;
      if (!lacksAddressFamily(errno)) break;
    }
    return { ok: false, failure: isClosed ? closedFailure(target) : failureFromErrno(target, errno) };
  }

  async function listenUnix(
    target: ListenTarget & { kind: 'unix' },
    routes: ProbeRoutes,
  ): Promise<ListenResult> {
    const claimed = await claimUnixSocket(target);
    if (!claimed.ok) return claimed;
    const { claim } = claimed;
    const server = newServer(routes);
    const error = await bind(server, { path: claim.bindPath, exclusive: true });
    const failure = error === null ? claim.publish() : failureFromErrno(target, error.code, error.message);
    if (failure !== null) {
      claim.abandon();
      server.close();
      return { ok: false, failure };
    }
    if (!keep({ server, release: claim.release })) return { ok: false, failure: closedFailure(target) };
    return { ok: true, bound: { kind: 'unix', path: target.path } };
  }

  /** False if `close()` ran while the port was being opened. */
  function keep(listener: Listener): boolean {
    if (isClosed) closeListener(listener);
    else listeners.add(listener);
    return !isClosed;
  }

  function newServer(routes: ProbeRoutes): Server {
    const handle = routeHttp(routes, report, late);
    const server = createServer(
      {
        headersTimeout: CONNECTION_TIMEOUT_MS,
        requestTimeout: CONNECTION_TIMEOUT_MS,
        keepAliveTimeout: CONNECTION_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        // Old load balancers send none, and nothing here depends on it.
        requireHostHeader: false,
        noDelay: true,
      },
      handle,
    );
    server.timeout = UNREAD_ANSWER_MS;
    server.on('timeout', endUnlessWaiting);
    // node:http would answer 417 by itself, without `Cache-Control`; what a client expects changes nothing here.
    server.on('checkExpectation', handle);
    server.on('clientError', refuse);
    server.on('connection', (socket: Socket) => {
      // `maxConnections` would count each listener by itself.
      if (sockets.size >= limit) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        late.delete(socket);
      });
    });
    return server;
  }

  function bind(server: Server, options: ListenOptions): Promise<NodeJS.ErrnoException | null> {
    return new Promise((settle) => {
      server.once('error', settle);
      server.listen(options, () => {
        server.removeListener('error', settle);
        server.on('error', report);
        settle(null);
      });
    });
  }

  return {
    engine: 'http',
    listen,
    connections: () => sockets.size,
    close() {
      isClosed = true;
      for (const listener of listeners) closeListener(listener);
      listeners.clear();
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
}

/** Ends kept-alive connections and unread answers; who waits for a late answer or still sends has other limits. */
function endUnlessWaiting(socket: Socket): void {
  if (socket.timeout !== UNREAD_ANSWER_MS || socket.writableLength > 0) socket.destroy();
}

function closeListener({ server, release }: Listener): void {
  release();
  server.close();
  server.closeAllConnections();
}
