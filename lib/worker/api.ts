/** The API's port, of a worker or a frontend: who may ask, over TLS or not, and what is said where everybody may. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isLoopback } from '../config/listeners.js';
import type { Logger } from '../config/options.js';
import { type ApiServer, createApiServer } from '../wire/api-server.js';
import { listen } from '../wire/listen.js';
import type { ServerTls } from '../wire/tls-files.js';
import { createTokens, type TokenOptions } from '../wire/tokens.js';
import { sendError } from './http-body.js';

export interface ApiOptions {
  readonly tls?: ServerTls | undefined;
  readonly tokens: TokenOptions;
  readonly names: Parameters<typeof createTokens>[0];
  readonly logger?: Logger | undefined;
  /** What is answered without a token. Default: nothing. */
  isOpen?(request: IncomingMessage): boolean;
}

export interface Api {
  readonly server: ApiServer['server'];
  /** @throws InferenceHealthError as rejection ERR_PORT_IN_USE, ERR_HOST_INVALID or ERR_PORT_FORBIDDEN */
  listen(port: number, host: string): Promise<{ readonly port: number; readonly url: string }>;
  /** Ends what watches the files. The server is closed by who has opened it. */
  unwatch(): void;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function openApi(options: ApiOptions, listener: RequestListener): Api {
  const { tls, names, logger, isOpen = () => false } = options;
  const tokens = createTokens(names, options.tokens, logger);
  let api: ApiServer;
  try {
    api = createApiServer(
      tls,
      (request, response) => {
        if (tokens.accepts(request.headers.authorization) || isOpen(request)) listener(request, response);
        else refuse(response);
      },
      logger,
    );
  } catch (error) {
    tokens.close();
    throw error;
  }
  const unwatch = (): void => {
    tokens.close();
    api.unwatch();
  };
  return {
    server: api.server,
    unwatch,
    async listen(port, host) {
      try {
        const bound = await listen(api.server, port, host);
        warnOfOpenHost(
          bound.url,
          host,
          { hasToken: tokens.first !== null, hasTls: tls !== undefined },
          logger,
        );
        return bound;
      } catch (error) {
        unwatch();
        throw error;
      }
    },
  };
}

function refuse(response: ServerResponse): void {
  const error = {
    status: 401,
    type: 'invalid_request_error',
    message: 'expected a token that is known here, as "Authorization: Bearer TOKEN"',
    code: 'invalid_api_key',
  };
  sendError(response, error, { 'WWW-Authenticate': 'Bearer' });
}

export function warnOfOpenHost(
  url: string,
  host: string,
  { hasToken, hasTls }: { readonly hasToken: boolean; readonly hasTls: boolean },
  logger: Logger | undefined,
): void {
  if (isLoopback(host) || (hasToken && hasTls)) return;
  const missing = [...(hasToken ? [] : ['a token']), ...(hasTls ? [] : ['TLS'])];
  logger?.warn(
    { url },
    `other machines may reach the API, which is without ${missing.join(' and without ')}`,
  );
}
