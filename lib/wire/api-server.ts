/** The HTTP server of an API, of a worker or a frontend: with TLS or without, and with limits on who takes his time. */
import { createServer, type Server as HttpServer, type RequestListener, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https';
import type { Logger } from '../config/options.js';
import { openTlsFiles, type ServerTls } from './tls-files.js';

export interface ApiServer {
  readonly server: HttpServer | HttpsServer;
  /** Ends what watches the certificates; the server is closed by its owner. */
  unwatch(): void;
}

/**
 * Whole headers within 10 s, the whole request within a minute, a TLS handshake within 10 s; looked at every 5 s. Never the
 * lenient parser, whatever NODE_OPTIONS says: what two parsers read differently is a way to smuggle requests.
 */
const LIMITS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5000,
  maxHeaderSize: 16 * 1024,
  insecureHTTPParser: false,
};

const MIN_VERSION = 'TLSv1.2';

/** @throws InferenceHealthError ERR_CONFIG_INVALID for certificates that cannot be used */
export function createApiServer(
  tls: ServerTls | undefined,
  listener: RequestListener,
  logger?: Logger,
  everyMs?: number,
): ApiServer {
  if (tls === undefined) return { server: createServer(LIMITS, listener), unwatch: () => undefined };
  const files = openTlsFiles(
    'tls',
    tls,
    (context) => server.setSecureContext({ ...context, minVersion: MIN_VERSION }),
    logger,
    everyMs,
  );
  const server = createTlsServer(
    {
      ...LIMITS,
      ...files.context,
      minVersion: MIN_VERSION,
      handshakeTimeout: 10_000,
      ...(tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }),
    },
    listener,
  );
  return { server, unwatch: () => files.close() };
}
