import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { failureFromErrno, listenFailure } from './listen-failure.js';
import { lacksAddressFamily, listenHosts } from './listen-host.js';
import { INTERNAL_ERROR, OTHER_PATH, replyFields } from './reply.js';
import type {
  ListenResult,
  ListenTarget,
  ProbeReply,
  ProbeRequest,
  ProbeRoute,
  ProbeRoutes,
  ProbeServer,
  ProbeServerOptions,
} from './server.js';
import { claimUnixSocket } from './unix-socket.js';

/** uWebSockets.js ends idle and slow connections after a fixed 10 s; here it is the same, seen at the next check. */
const CONNECTION_TIMEOUT_MS = 10_000;
const TIMEOUT_CHECK_MS = 2_000;
/** Above the 10 s after which a Prometheus scrape gives up, so that only dead peers meet it. */
const SOCKET_IDLE_MS = 30_000;
const MAX_HEADER_BYTES = 16_384;
/** How long a refused connection may go on sending, so that the refusal is not lost to a TCP reset. */
const LINGER_MS = 1_000;

/** One path's route, and the header of its last answer: it rarely changes, so it is rarely built. */
interface Endpoint {
  readonly path: string;
  readonly route: ProbeRoute;
  head: Head;
}

interface Head {
  readonly statusLine: string;
  readonly contentType: string | null;
  readonly allow: string | null;
  readonly retryAfter: string | null;
  readonly length: number;
  readonly code: number;
  readonly reason: string;
  readonly fields: string[];
}

interface Table {
  readonly paths: ReadonlyMap<string, Endpoint>;
  readonly denied: ReadonlyMap<string, Endpoint>;
  readonly notFound: Endpoint;
  readonly options: Endpoint;
  readonly observe: ProbeRoutes['observe'];
}

interface Listener {
  readonly server: Server;
  readonly release: () => void;
}

/** The engine that always loads: node:http, tuned to end what uWebSockets.js ends. */
export function createHttpServer(options: ProbeServerOptions = {}): ProbeServer {
  const onError = guarded(options.onError);
  const listeners = new Set<Listener>();
  const sockets = new Set<Socket>();
  let isClosed = false;

  async function listen(target: ListenTarget, routes: ProbeRoutes): Promise<ListenResult> {
    if (isClosed) return closedFailure(target);
    try {
      return target.kind === 'unix' ? await listenUnix(target, routes) : await listenTcp(target, routes);
    } catch (error) {
      onError(error);
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
        const failure = keep(target, { server, release: () => undefined });
        if (failure !== null) return failure;
        const address = server.address() as AddressInfo;
        return { ok: true, bound: { kind: 'tcp', host: address.address, port: address.port } };
      }
      errno = error.code;
      if (!lacksAddressFamily(errno)) break;
    }
    return { ok: false, failure: failureFromErrno(target, errno) };
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
    return (
      keep(target, { server, release: claim.release }) ?? {
        ok: true,
        bound: { kind: 'unix', path: target.path },
      }
    );
  }

  /** `close()` may have run while the port was being opened. */
  function keep(target: ListenTarget, listener: Listener): ListenResult | null {
    if (!isClosed) {
      listeners.add(listener);
      return null;
    }
    closeListener(listener);
    return closedFailure(target);
  }

  function newServer(routes: ProbeRoutes): Server {
    const table = tableOf(routes);
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
      (request, response) => handle(table, request, response, onError),
    );
    server.timeout = SOCKET_IDLE_MS;
    // Without these, node:http would write `100 Continue` or a 417 of its own, without `Cache-Control`.
    server.on('checkContinue', (request, response) => handle(table, request, response, onError));
    server.on('checkExpectation', (request, response) => handle(table, request, response, onError));
    server.on('clientError', refuse);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    return server;
  }

  function bind(server: Server, options: ListenOptions): Promise<NodeJS.ErrnoException | null> {
    return new Promise((settle) => {
      server.once('error', settle);
      server.listen(options, () => {
        server.removeListener('error', settle);
        server.on('error', onError);
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
    },
  };
}

function closeListener({ server, release }: Listener): void {
  release();
  server.close();
  server.closeAllConnections();
}

function closedFailure(target: ListenTarget): ListenResult {
  return { ok: false, failure: listenFailure(target, 'ERR_CLOSED', 'the probe server is closed.') };
}

function guarded(onError: ProbeServerOptions['onError']): (error: unknown) => void {
  return (error) => {
    try {
      onError?.(error);
    } catch {
      // A failing log must not end the probe thread.
    }
  };
}

function tableOf(routes: ProbeRoutes): Table {
  const endpoint = (path: string, route: ProbeRoute): Endpoint => ({
    path,
    route,
    head: headOf(INTERNAL_ERROR),
  });
  const paths = new Map<string, Endpoint>();
  const denied = new Map<string, Endpoint>();
  for (const [path, route] of routes.paths) {
    paths.set(path, endpoint(path, route));
    denied.set(path, endpoint(path, routes.methodNotAllowed));
  }
  return {
    paths,
    denied,
    notFound: endpoint(OTHER_PATH, routes.notFound),
    options: endpoint(OTHER_PATH, routes.options),
    observe: routes.observe,
  };
}

function handle(
  table: Table,
  request: IncomingMessage,
  response: ServerResponse,
  onError: (error: unknown) => void,
): void {
  const startedAt = table.observe === undefined ? 0 : performance.now();
  let endpoint = table.notFound;
  try {
    endpoint = endpointOf(table, request);
    const reply = endpoint.route(probeRequest(request));
    if (reply instanceof Promise) {
      answerLater(table, endpoint, reply, response, startedAt, onError);
      return;
    }
    write(endpoint, reply, response);
    observe(table, endpoint, reply, startedAt);
  } catch (error) {
    onError(error);
    fail(table, endpoint, response, startedAt, onError);
  }
}

function answerLater(
  table: Table,
  endpoint: Endpoint,
  promise: Promise<ProbeReply>,
  response: ServerResponse,
  startedAt: number,
  onError: (error: unknown) => void,
): void {
  promise
    .then((reply) => {
      // The client went away; an answer would go nowhere, and its duration would say nothing.
      if (response.destroyed) return;
      write(endpoint, reply, response);
      observe(table, endpoint, reply, startedAt);
    })
    .catch((error: unknown) => {
      onError(error);
      fail(table, endpoint, response, startedAt, onError);
    });
}

function fail(
  table: Table,
  endpoint: Endpoint,
  response: ServerResponse,
  startedAt: number,
  onError: (error: unknown) => void,
): void {
  try {
    if (response.destroyed || response.writableEnded) return;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    write(endpoint, INTERNAL_ERROR, response);
    observe(table, endpoint, INTERNAL_ERROR, startedAt);
  } catch (error) {
    onError(error);
    response.destroy();
  }
}

function observe(table: Table, endpoint: Endpoint, reply: ProbeReply, startedAt: number): void {
  table.observe?.(endpoint.path, reply.statusLine, performance.now() - startedAt);
}

function endpointOf(table: Table, request: IncomingMessage): Endpoint {
  const { method } = request;
  const target = request.url ?? '';
  const isRead = method === 'GET' || method === 'HEAD';
  if (isRead) {
    const direct = table.paths.get(target);
    if (direct !== undefined) return direct;
  }
  if (method === 'OPTIONS') return table.options;
  return (isRead ? table.paths : table.denied).get(pathOf(target)) ?? table.notFound;
}

/** The path of a request target in origin form (`/a?b`) or absolute form (`http://host/a?b`); nothing is decoded. */
function pathOf(target: string): string {
  const query = target.indexOf('?');
  const withoutQuery = query === -1 ? target : target.slice(0, query);
  if (withoutQuery.startsWith('/')) return withoutQuery;
  const authority = withoutQuery.indexOf('://');
  if (authority === -1) return withoutQuery;
  const path = withoutQuery.indexOf('/', authority + 3);
  return path === -1 ? '/' : withoutQuery.slice(path);
}

function probeRequest(request: IncomingMessage): ProbeRequest {
  return {
    query() {
      const target = request.url ?? '';
      const start = target.indexOf('?');
      return start === -1 ? '' : target.slice(start + 1);
    },
    accept: () => request.headers.accept ?? '',
  };
}

function write(endpoint: Endpoint, reply: ProbeReply, response: ServerResponse): void {
  let { head } = endpoint;
  if (
    head.length !== reply.length ||
    head.statusLine !== reply.statusLine ||
    head.contentType !== reply.contentType ||
    head.allow !== reply.allow ||
    head.retryAfter !== reply.retryAfter
  ) {
    head = headOf(reply);
    endpoint.head = head;
  }
  response.writeHead(head.code, head.reason, head.fields);
  // The next call writes into the same buffer, so the bytes are copied; as a Latin-1 string, which is byte for byte the
  // body, they go out in one write together with the header.
  const { body, length } = reply;
  response.end(Buffer.from(body.buffer, body.byteOffset, length).toString('latin1'), 'latin1');
}

function headOf(reply: ProbeReply): Head {
  const { statusLine, contentType, allow, retryAfter, length } = reply;
  const code = Number.parseInt(statusLine, 10);
  const fields = replyFields(reply).flat();
  // RFC 9110 section 8.6: no Content-Length on 204.
  if (code !== 204) fields.push('Content-Length', String(length));
  return { statusLine, contentType, allow, retryAfter, length, code, reason: statusLine.slice(4), fields };
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers what the parser refused, then ends the connection within a second whatever the client does. */
function refuse(error: NodeJS.ErrnoException, stream: Duplex): void {
  const socket = stream as Socket;
  // While one answer is under way a second would be taken for its body; and who sent nothing gets nothing.
  const isAnswering = (socket as { _httpMessage?: unknown })._httpMessage != null;
  if (!socket.writable || isAnswering || socket.bytesRead === 0 || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = REFUSALS[error.code ?? ''] ?? '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
