/** Connections to workers: their certificates, and the token that every request to them shows. */
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { Logger } from '../config/options.js';
import { type ClientTls, openTlsFiles } from '../wire/tls-files.js';
import { createTokens, FLEET_TOKEN, type TokenOptions } from '../wire/tokens.js';
import { parseWorkerUrl } from './worker-url.js';

const CONNECT_MS = 1000;

export interface WorkerHttp {
  /** @param url as of a worker: see worker-url.ts */
  open(url: string): Dispatcher;
  close(): void;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function createWorkerHttp(
  options: TokenOptions & { readonly workerTls?: ClientTls; readonly logger?: Logger },
): WorkerHttp {
  const { workerTls = {}, logger } = options;
  const tokens = createTokens({ option: 'token', file: 'tokenFile', variable: FLEET_TOKEN }, options, logger);
  let files: ReturnType<typeof openTlsFiles>;
  try {
    files = openTlsFiles('workerTls', workerTls, renew, logger);
  } catch (error) {
    tokens.close();
    throw error;
  }
  let connector = connectorOf(files.context);

  function renew(context: typeof files.context): void {
    connector = connectorOf(context);
  }

  const withToken: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (request, handler) => {
    const { first } = tokens;
    if (first === null) return dispatch(request, handler);
    const headers = {
      ...(request.headers as Record<string, string> | undefined),
      authorization: `Bearer ${first}`,
    };
    return dispatch({ ...request, headers }, handler);
  };

  return {
    open: (url) =>
      new Pool(parseWorkerUrl(url)?.origin ?? url, {
        connections: null,
        pipelining: 1,
        // Asked anew for each connection: certificates change.
        connect: (to, done) => connector(to, done),
        headersTimeout: 0,
        bodyTimeout: 0,
      }).compose(withToken),
    close() {
      tokens.close();
      files.close();
    },
  };
}

function connectorOf(context: ReturnType<typeof openTlsFiles>['context']): buildConnector.connector {
  const { ca, cert, key } = context;
  return buildConnector({
    timeout: CONNECT_MS,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  } as buildConnector.BuildOptions);
}
