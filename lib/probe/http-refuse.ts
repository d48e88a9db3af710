import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** How long a refused connection may go on sending, so that the refusal is not lost to a TCP reset. */
const LINGER_MS = 1_000;

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/**
 * Answers what node:http's parser refused, then ends the connection within a second whatever the client does.
 * node:http's own answer has no `Cache-Control`, and it resets connections that still send.
 */
export function refuse(error: NodeJS.ErrnoException, stream: Duplex): void {
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
