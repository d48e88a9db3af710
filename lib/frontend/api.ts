/** The API's port of a frontend, and how it treats connections. */
import { API_TOKEN } from '../wire/tokens.js';
import { type Api, openApi } from '../worker/api.js';
import type { FrontendOptions } from './options.js';
import { answerClientErrors } from './route-errors.js';
import type { Routes } from './routes.js';
import type { WorkerHttp } from './worker-http.js';

/** Longer than balancers keep a connection without a request (60 s), so that they end it, not we under their next one. */
const KEEP_ALIVE_MS = 75_000;

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function openFrontendApi(options: FrontendOptions, routes: () => Routes, workerHttp: WorkerHttp): Api {
  const { tls, apiToken, apiTokenFile, logger } = options;
  const tokens = {
    ...(apiToken === undefined ? {} : { token: apiToken }),
    ...(apiTokenFile === undefined ? {} : { tokenFile: apiTokenFile }),
  };
  const names = { option: 'apiToken', file: 'apiTokenFile', variable: API_TOKEN };
  try {
    const isOpen: Routes['isOpen'] = (request) => routes().isOpen(request);
    const api = openApi({ tls, tokens, names, logger, isOpen }, (request, response) =>
      routes().answer(request, response),
    );
    const { server } = api;
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    // Answered as all others, so that a body that is refused need not be sent: the routes ask for those that they read.
    server.on('checkContinue', (request, response) => server.emit('request', request, response));
    answerClientErrors(server);
    return api;
  } catch (error) {
    workerHttp.close();
    throw error;
  }
}
