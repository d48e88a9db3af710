import { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { InferenceHealthError } from '../errors.js';
import { failureFromErrno } from '../probe/listen-failure.js';

/** Connections that wait until they are accepted; the kernel's own limit, net.core.somaxconn, is 4096. Node's default is 511. */
const BACKLOG = 4096;

/**
 * Listens and gives the URL.
 * @throws InferenceHealthError ERR_PORT_IN_USE, ERR_HOST_INVALID or ERR_PORT_FORBIDDEN
 */
export function listen(server: Server, port: number, host: string): Promise<{ port: number; url: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const { code, message } = failureFromErrno({ kind: 'tcp', host, port }, cause.code, cause.message);
      reject(new InferenceHealthError(code, message, { cause }));
    };
    server.once('error', fail);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', fail);
      const bound = (server.address() as AddressInfo).port;
      const scheme = server instanceof HttpsServer ? 'https' : 'http';
      resolve({ port: bound, url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${bound}` });
    });
  });
}
