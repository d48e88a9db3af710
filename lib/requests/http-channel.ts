import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CountedRequest } from './tracker.js';

/** Node publishes here, on the thread of the server, when the head of an HTTP/1 request has been read. */
const CHANNEL = 'http.server.request.start';

const REQUEST = Symbol('inference-health.request');
const DELIVERED = Symbol('inference-health.delivered');

/** What is told how a response ended. */
export type HttpRequest = Pick<CountedRequest, 'end' | 'fail' | 'discard'>;

interface Counted extends ServerResponse {
  [REQUEST]?: HttpRequest | undefined;
  [DELIVERED]?: boolean;
}

interface RequestStart {
  readonly request: IncomingMessage;
  readonly response: Counted;
  readonly socket: Socket;
}

/** Responses that have begun and not closed, by connection: almost always one, more when the client pipelines. */
const open = new WeakMap<Socket, Set<Counted>>();

/**
 * Counts every request that a node:http or node:https server of this thread receives, frameworks on top included, until
 * its response closes. A status of 500 or more is a failure, and so is a response that was not written to the end
 * (client gone, `destroy()`, server closed). HTTP/1 only: node:http2 streams and upgraded connections (WebSocket) have no
 * such event. Channels belong to a thread, so the probe thread's own listeners are never seen.
 * @param begin makes the handle; null when it cannot, then the request is not counted.
 * @returns a function that stops counting new requests; those in flight are counted to their end.
 */
export function countHttpRequests(begin: () => CountedRequest | null): () => void {
  const onStart = (message: unknown): void => {
    const { response, socket } = message as RequestStart;
    const counted = begin();
    if (counted === null) return;
    followResponse(response, socket, counted);
  };
  subscribe(CHANNEL, onStart);
  return () => unsubscribe(CHANNEL, onStart);
}

/** Ends or fails `request` by how the response ends. It takes the place of what was followed before, which is discarded. */
export function followHttpResponse(response: ServerResponse, request: HttpRequest): void {
  discardHttpRequest(response);
  // It says 'close' no more: whoever waited for that would wait for ever, with a permit perhaps.
  if (response.destroyed) request.fail();
  else followResponse(response, response.req.socket, request);
}

function followResponse(response: Counted, socket: Socket, request: HttpRequest): void {
  response[REQUEST] = request;
  const responses = openOn(socket);
  if (responses.has(response)) return;
  responses.add(response);
  // Before node's own listener, which takes the socket away.
  response.prependListener('finish', onFinish);
  response.on('close', onClose);
}

/** Takes back a request that should not count, such as a probe on the application's own port. Returns false if it was not counted. */
export function discardHttpRequest(response: ServerResponse): boolean {
  const counted: Counted = response;
  const request = counted[REQUEST];
  if (request === undefined) return false;
  counted[REQUEST] = undefined;
  request.discard();
  return true;
}

function openOn(socket: Socket): Set<Counted> {
  let responses = open.get(socket);
  if (responses === undefined) {
    const created = new Set<Counted>();
    responses = created;
    open.set(socket, created);
    // Until Node 24 a pipelined response that still waits for its turn gets no 'close' when the connection breaks.
    socket.once('close', () => {
      for (const response of created) settle(response);
    });
  }
  return responses;
}

// Node 20 and 22 also say 'finish' when the connection broke with data unsent: by then the socket is destroyed. A response
// of node:http2 has no socket of its own, and its 'finish' only means that its stream is closed, or was reset.
function onFinish(this: Counted): void {
  const { stream } = this as { readonly stream?: { readonly rstCode?: number } };
  this[DELIVERED] =
    stream === undefined ? this.socket?.destroyed === false : this.writableEnded && stream.rstCode === 0;
}

function onClose(this: Counted): void {
  open.get(this.req.socket)?.delete(this);
  settle(this);
}

function settle(response: Counted): void {
  const request = response[REQUEST];
  if (request === undefined) return;
  response[REQUEST] = undefined;
  if (response[DELIVERED] === true && response.statusCode < 500) request.end();
  else request.fail();
}
