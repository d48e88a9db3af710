import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Node publishes here, before the 'request' event, when the head of an HTTP/1 request has been read. */
const CHANNEL = 'http.server.request.start';

interface RequestStart {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly server: Server;
}

/** The connections of this thread's node:http servers, as far as a request has come over them. */
export interface HttpConnections {
  /** From now on every answer says `Connection: close`, and idle connections are closed with every `closeIdle()`. */
  startClosing(): void;
  closeIdle(): void;
  /** Takes `startClosing` back. */
  keepAlive(): void;
  /** Ends every answer that is not complete with an error in its own form. Returns how many there were. */
  endUnfinished(message: string, retryAfterSeconds: number): number;
  stop(): void;
}

export function watchHttpConnections(): HttpConnections {
  const servers = new Set<Server>();
  // Pipelined requests but the last are not in here: few clients pipeline, and their connections end all the same.
  const latest = new Map<Socket, ServerResponse>();
  let isClosing = false;

  const onStart = (message: unknown): void => {
    const { response, socket, server } = message as RequestStart;
    if (!latest.has(socket)) {
      socket.once('close', () => latest.delete(socket));
      if (!servers.has(server)) {
        servers.add(server);
        server.once('close', () => servers.delete(server));
      }
    }
    latest.set(socket, response);
    if (isClosing) response.shouldKeepAlive = false;
  };
  subscribe(CHANNEL, onStart);

  return {
    startClosing() {
      isClosing = true;
      for (const response of latest.values()) if (!response.headersSent) response.shouldKeepAlive = false;
    },
    closeIdle() {
      for (const server of servers) server.closeIdleConnections();
    },
    keepAlive() {
      isClosing = false;
    },
    endUnfinished(message, retryAfterSeconds) {
      let ended = 0;
      for (const response of latest.values()) {
        if (response.writableEnded || response.destroyed) continue;
        endWithError(response, message, retryAfterSeconds);
        ended += 1;
      }
      return ended;
    },
    stop() {
      unsubscribe(CHANNEL, onStart);
      servers.clear();
      latest.clear();
    },
  };
}

/** An error that the client can tell from a complete answer, whatever has been sent. */
function endWithError(response: ServerResponse, message: string, retryAfterSeconds: number): void {
  // The application may still write, which is an error on an ended response, and nobody may listen for it.
  response.on('error', () => undefined);
  const error = JSON.stringify({ error: { code: 'ERR_DRAINING', message } });
  if (!response.headersSent) {
    response.writeHead(503, {
      'Content-Type': 'application/json',
      'Retry-After': String(retryAfterSeconds),
      Connection: 'close',
    });
    response.end(`${error}\n`);
    return;
  }
  const type = contentTypeOf(response);
  // The blank line first: the application may have stopped in the middle of an event.
  if (type.startsWith('text/event-stream')) response.end(`\n\nevent: error\ndata: ${error}\n\n`);
  else if (/^application\/(x-ndjson|jsonl|x-jsonlines)/.test(type)) response.end(`\n${error}\n`);
  // Without its end a chunked answer is an error for every client; a complete one would look like success.
  else response.destroy();
}

/** What `writeHead` was given is in none of the getters, only in the head as it was sent. */
function contentTypeOf(response: ServerResponse): string {
  const { _header: head } = response as { _header?: unknown };
  const sent = typeof head === 'string' ? /^content-type: *(.*)$/im.exec(head)?.[1] : undefined;
  return (sent ?? String(response.getHeader('content-type') ?? '')).toLowerCase();
}
