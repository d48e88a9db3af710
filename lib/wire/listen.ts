import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InferenceHealthError } from '../errors.js';
import { failureFromErrno } from '../probe/listen-failure.js';

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
    server.listen(port, host, () => {
      server.off('error', fail);
      const bound = (server.address() as AddressInfo).port;
      resolve({ port: bound, url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}` });
    });
  });
}
