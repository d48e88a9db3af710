import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import type { AdminConfig } from '../config/admin.js';
import { createAdminAccess } from './admin-access.js';
import { ADMIN_PATHS, type AdminCommand, type AdminResult, parseAdminCommand } from './admin-commands.js';
import { failureFromErrno } from './listen-failure.js';
import { listenHosts } from './listen-host.js';
import type { ListenResult } from './server.js';
import { claimUnixSocket } from './unix-socket.js';

/** The main thread may be blocked; who gives commands would rather know that than wait. */
const MAIN_LIMIT_MS = 1000;
const MAX_BODY_BYTES = 1024;
const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5000;

/** What the probe thread knows by itself. */
export interface AdminFacts {
  readonly phase: string;
  readonly ready: boolean;
  readonly activeRequests: number;
  /** Milliseconds for which the main thread has been busy. */
  readonly mainBusyMs: number;
}

export interface AdminPorts {
  readonly facts: () => AdminFacts;
  /** Withdraws readiness, on this thread and at once. */
  readonly announceDrain: () => void;
  /** Passes a command to the main thread; resolves with its answer. */
  readonly command: (command: AdminCommand) => Promise<AdminResult>;
  readonly onError: (error: unknown) => void;
}

export interface AdminServer {
  listen(): Promise<ListenResult>;
  close(): void;
}

/**
 * The listener that takes commands, on the probe thread, so that it answers while the main thread is blocked: then a drain
 * withdraws readiness at once and the rest follows when the main thread turns, which the answer (202) says.
 */
export function createAdminServer(config: AdminConfig, ports: AdminPorts): AdminServer {
  const access = createAdminAccess(config.token, config.kind === 'tcp');
  let release = (): void => undefined;

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const granted = access(request.headers);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (granted === 'wrong-host') reply(response, 403, { error: 'not for browsers and other hosts' });
    else if (granted === 'wrong-token')
      reply(response, 401, { error: 'expected a bearer token' }, { 'WWW-Authenticate': 'Bearer' });
    else if (!ADMIN_PATHS.includes(path)) reply(response, 404, { error: `paths: ${ADMIN_PATHS.join(', ')}` });
    else if (request.method !== 'POST') reply(response, 405, { error: 'POST only' }, { Allow: 'POST' });
    else
      readBody(request).then(
        (body) =>
          body === null ? reply(response, 413, { error: 'body too large' }) : act(path, body, response),
        () => response.destroy(),
      );
  }

  async function act(path: string, body: string, response: ServerResponse): Promise<void> {
    const command = parseAdminCommand(path, body);
    if (typeof command === 'string') {
      reply(response, 400, { error: command });
      return;
    }
    if (command.type === 'drain') ports.announceDrain();
    const result = await answerOfMain(command);
    const { phase, ready, activeRequests, mainBusyMs } = ports.facts();
    const document = {
      phase,
      ready,
      active_requests: activeRequests,
      main_thread: { acknowledged: result !== null, busy_ms: Math.round(mainBusyMs) },
      drain:
        result === null || result.phase === 'serving'
          ? null
          : {
              phase: result.phase,
              reason: result.reason,
              exit: result.exits,
              remaining_ms: result.remainingMs === null ? null : Math.round(result.remainingMs),
            },
    };
    const status = result === null && command.type !== 'status' ? 202 : result?.isDone === false ? 409 : 200;
    reply(response, status, document);
  }

  async function answerOfMain(command: AdminCommand): Promise<AdminResult | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), MAIN_LIMIT_MS);
    });
    const result = await Promise.race([ports.command(command), late]);
    clearTimeout(timer);
    return result;
  }

  function newServer(): Server {
    const server = createServer(
      {
        headersTimeout: TIMEOUT_MS,
        requestTimeout: TIMEOUT_MS,
        keepAliveTimeout: TIMEOUT_MS,
        connectionsCheckingInterval: 2000,
        maxHeaderSize: 8192,
      },
      onRequest,
    );
    server.maxConnections = MAX_CONNECTIONS;
    return server;
  }

  let server: Server | null = null;
  return {
    async listen() {
      const own = newServer();
      server = own;
      if (config.kind === 'unix') {
        const claimed = await claimUnixSocket(config);
        if (!claimed.ok) return claimed;
        const { claim } = claimed;
        const error = await bind(own, { path: claim.bindPath, exclusive: true });
        const failure =
          error === null ? claim.publish() : failureFromErrno(config, error.code, error.message);
        if (failure !== null) {
          claim.abandon();
          own.close();
          return { ok: false, failure };
        }
        release = claim.release;
        own.on('error', ports.onError);
        return { ok: true, bound: { kind: 'unix', path: config.path } };
      }
      const hosts = listenHosts(config);
      if ('code' in hosts) return { ok: false, failure: hosts };
      const [host = '127.0.0.1'] = hosts;
      const error = await bind(own, { host, port: config.port, exclusive: true });
      if (error !== null) return { ok: false, failure: failureFromErrno(config, error.code) };
      own.on('error', ports.onError);
      return { ok: true, bound: { kind: 'tcp', host, port: (own.address() as AddressInfo).port } };
    },
    close() {
      release();
      release = () => undefined;
      server?.close();
      server?.closeAllConnections();
    },
  };
}

function bind(server: Server, options: ListenOptions): Promise<NodeJS.ErrnoException | null> {
  return new Promise((settle) => {
    server.once('error', settle);
    server.listen(options, () => {
      server.removeListener('error', settle);
      settle(null);
    });
  });
}

/** Null where it is too large. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function reply(
  response: ServerResponse,
  status: number,
  document: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    // A body that was not read would be taken for the next request.
    Connection: 'close',
    ...headers,
  });
  response.end(`${JSON.stringify(document)}\n`);
}
