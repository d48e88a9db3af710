import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import type { Health } from '../lifecycle/health.js';
import { startHealth } from '../lifecycle/start.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import { onClientGone } from '../wire/client-gone.js';
import { FRAMES_TYPE } from '../wire/frames.js';
import { requestIdOf } from '../wire/headers.js';
import { timeoutMsOf } from '../wire/timeout-header.js';
import { FLEET_TOKEN } from '../wire/tokens.js';
import { type Api, openApi } from './api.js';
import { type Beacons, createBeacons } from './beacons.js';
import { answerFrames, answerOpenAi } from './completions.js';
import type { Engine, EngineFigures, GenerateRequest, TokenFrame } from './engine.js';
import { fail } from './failure.js';
import { readJson, sendError, sendJson } from './http-body.js';
import { modelsBody } from './openai.js';
import type { Worker, WorkerOptions } from './options.js';
import { isListenerConfigured } from './probe-port.js';
import { createRegistrar } from './registration.js';
import { parseCompletion } from './request.js';
import { validateWorker } from './validate.js';
import { openWorkerEvents } from './worker-events.js';

export type { Worker, WorkerOptions } from './options.js';

/** Below those of other processes ids grow by a name each. */
const MAX_ID = 512;

/** Serves an engine over OpenAI's API, with health, admission, cancellation and drain, and tokens for frontends. */
export async function serveWorker(options: WorkerOptions): Promise<Worker> {
  validateWorker(options);
  const { host = '127.0.0.1', maxBodyBytes = 10 * 1024 * 1024, tls, logger } = options;
  // First of all: what is wrong with settings, certificates and tokens is to be said before a model is loaded.
  const registrar = await createRegistrar(options.discovery, (fields, message) =>
    logger?.info(fields, message),
  );
  const names = { option: 'token', file: 'tokenFile', variable: FLEET_TOKEN };
  const api = openApi({ tls, tokens: options, names, logger }, (request, response) => {
    route(request, response).catch((error: unknown) => fail(response, error));
  });
  const events = await openWorkerEvents(options.events, logger).catch((error: unknown) => {
    api.unwatch();
    throw error;
  });
  const endOutside = async (): Promise<void> => {
    api.unwatch();
    await Promise.all([registrar.close(), events?.close()]);
  };
  const health = await startHealth({
    ...(isListenerConfigured() ? {} : { port: 0, host: '127.0.0.1' }),
    shutdown: true,
    onGpuFailure: 'shutdown',
    onEngineFailure: 'shutdown',
    ...(options.logger === undefined ? {} : { logger: options.logger }),
    ...options.health,
  }).catch(async (error: unknown) => {
    await endOutside();
    throw error;
  });
  health.engine.loading();
  health.model.loading();
  const engine = await makeEngine(options.engine, health).catch(async (error: unknown) => {
    await Promise.all([endOutside(), health.close()]);
    throw error;
  });
  const endpoint = health
    .endpoint('generate')
    .serve<GenerateRequest, TokenFrame>((request, scope) => engine.generate(request, scope));
  const incarnation = `${Date.now().toString(36)}-${randomBytes(8).toString('hex')}`;
  let name = options.name ?? '';

  function beacon(): WorkerBeacon {
    const figures = engine.figures();
    const { phase, ready } = health.status();
    return {
      worker: name,
      incarnation,
      model: engine.model,
      state: phase === 'starting' || phase === 'serving' ? 'serving' : 'draining',
      ready,
      engineStep: figures.step,
      running: figures.running,
      waiting: figures.waiting,
      scheduledTokens: figures.scheduledTokens ?? figures.step,
      activeTokens: figures.activeTokens ?? 0,
      kvBlocksUsed: figures.kvBlocksUsed ?? 0,
      kvBlocksTotal: figures.kvBlocksTotal ?? 0,
      expectedStepMs: figures.expectedStepMs ?? 0,
      ...(figures.prefillTokens === undefined ? {} : { prefillTokens: figures.prefillTokens }),
      ...(figures.maxBatchedTokens === undefined ? {} : { maxBatchedTokens: figures.maxBatchedTokens }),
    };
  }
  const beacons = createBeacons(beacon);
  health.on('drain', beacons.send);
  health.on('status', beacons.send);

  /** Ids of running requests that were stopped, not killed: they end well. */
  const stopped = new Set<string>();

  function report(id: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    options.logger?.error({ request: id, error: text }, 'the engine failed a request');
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0];
    switch (`${request.method} ${path}`) {
      case 'POST /v1/completions':
        return complete(request, response, false);
      case 'POST /v1/chat/completions':
        return complete(request, response, true);
      case 'GET /v1/models':
        return sendJson(response, 200, modelsBody([engine.model], 0));
      case 'GET /v1/beacons':
        return beacons.subscribe(response);
      default:
        if (request.method === 'POST' && cancel(path ?? '', response)) return;
        sendError(response, {
          status: 404,
          type: 'invalid_request_error',
          message: `no route ${request.method} ${path}; there are POST /v1/completions, POST /v1/chat/completions, GET /v1/models, POST /v1/requests/ID/stop, POST /v1/requests/ID/kill`,
        });
    }
  }

  /** False: it is no such path. An id that is not there yet is cancelled when it comes. */
  function cancel(path: string, response: ServerResponse): boolean {
    const [, id, level] = /^\/v1\/requests\/([\w.:-]{1,512})\/(stop|kill)$/.exec(path) ?? [];
    if (id === undefined) return false;
    if (level === 'stop') stopped.add(id);
    const running = endpoint.cancel(id, level as 'stop' | 'kill', `${level} by its id`);
    if (!running) stopped.delete(id);
    sendJson(response, 200, JSON.stringify({ id, running }));
    return true;
  }

  async function complete(
    request: IncomingMessage,
    response: ServerResponse,
    isChat: boolean,
  ): Promise<void> {
    const gone = new AbortController();
    // After a whole answer too; nothing is left to abort then.
    onClientGone(response, () => gone.abort());
    const { value, bytes } = await readJson(request, maxBodyBytes);
    const parsed = parseCompletion(value, isChat);
    const id = requestIdOf(request.headers, MAX_ID);
    const call = {
      engine,
      endpoint,
      request: parsed,
      id,
      bytes,
      signal: gone.signal,
      deadlineMs: timeoutMsOf(request.headers),
      isStopped: () => stopped.has(id),
      report: (error: unknown) => report(id, error),
    };
    const wantsFrames = request.headers.accept === FRAMES_TYPE;
    try {
      await (wantsFrames ? answerFrames(call, response) : answerOpenAi(call, response));
    } finally {
      stopped.delete(id);
    }
  }

  const { port, url } = await api.listen(options.port ?? 8000, host).catch(async (error: unknown) => {
    await Promise.all([endOutside(), health.close()]);
    throw error;
  });
  // Workers of several hosts would all be called 0.0.0.0.
  if (name === '') name = `${host === '0.0.0.0' || host === '::' ? hostname() : host}:${port}`;
  if (events !== null) beacons.publishTo(events.publisher(name));
  health.engine.ready();
  health.model.ready();
  const ref = { worker: name, incarnation };
  const figures = (): EngineFigures => engine.figures();
  await registrar.register({ ref, model: engine.model, url, figures }).catch(async (error: unknown) => {
    await closeApi();
    await health.close();
    throw error;
  });
  const onState = (): void => registrar.setState(beacon().state);
  health.on('drain', onState);
  health.on('status', onState);

  async function closeApi(): Promise<void> {
    endpoint.close();
    await registrar.close();
    await Promise.all([closeServer(api, beacons), events?.close()]);
  }
  const close = async (): Promise<void> => {
    await closeApi();
    await health.close();
  };
  return {
    name,
    incarnation,
    url,
    health,
    events: () => events?.view() ?? null,
    closeApi,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function makeEngine(engine: WorkerOptions['engine'], health: Health): Promise<Engine> {
  return typeof engine === 'function' ? engine(health) : engine;
}

function closeServer({ server, unwatch }: Api, beacons: Beacons): Promise<void> {
  unwatch();
  beacons.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  return closed;
}
