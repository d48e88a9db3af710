import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once: when the client has closed its side or is cut off, or else when the answer is over. Node answers nobody
 * who has closed his side, so nothing gets through any more; but a response says 'close' only when the other side is closed
 * too, a turn of the event loop later, which is milliseconds where there are thousands of streams. And until Node 24
 * it never does where it is pipelined and still waits for its turn.
 */
export function onClientGone(response: ServerResponse, callback: () => void): void {
  const callbacks = callbacksOf(response.req.socket);
  callbacks.add(callback);
  response.once('close', () => {
    if (callbacks.delete(callback)) callback();
  });
}

/** One listener a connection: on one that is kept, requests follow each other, and many may be pipelined. */
function callbacksOf(socket: Socket): Set<() => void> {
  const known = waiting.get(socket);
  if (known !== undefined) return known;
  const callbacks = new Set<() => void>();
  const gone = (): void => {
    for (const callback of [...callbacks]) if (callbacks.delete(callback)) callback();
  };
  waiting.set(socket, callbacks);
  socket.once('end', gone).once('close', gone);
  return callbacks;
}
