import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { invalid } from '../config/values.js';
import { createFrontendHealth, type FrontendAnswer } from '../dialects/dynamo-frontend.js';
import { monoMs } from '../native/clock.js';
import { requestIdOf, traceparentOf } from '../wire/headers.js';
import { listen } from '../wire/listen.js';
import { BodyError, readJson, sendError, sendJson } from '../worker/http-body.js';
import { modelsBody } from '../worker/openai.js';
import { BadRequest, parseCompletion } from '../worker/request.js';
import { createGate } from './gate.js';
import type { MemberView } from './member-view.js';
import { createFrontendMetrics } from './metrics.js';
import type { Frontend, FrontendOptions } from './options.js';
import { createWorkerPool } from './pool.js';
import { createRequests } from './requests.js';

export type { Frontend, FrontendOptions } from './options.js';

const TICK_MS = 50;
/** After a pause of its own a frontend first reads what has come meanwhile, before it takes anybody for silent. */
const PAUSE_MS = 300;

/** Leaves room for what workers are told besides: choice and attempt. */
const MAX_ID = 128;

const ROUTES = 'POST /v1/completions, POST /v1/chat/completions, GET /v1/models, /health, /live, /metrics';

/**
 * OpenAI's API in front of workers: a stream whose worker is lost goes on at another one. See docs/frontend.md.
 * @throws InferenceHealthError ERR_CONFIG_INVALID, ERR_PORT_IN_USE, ERR_HOST_INVALID, ERR_PORT_FORBIDDEN
 */
export async function startFrontend(options: FrontendOptions): Promise<Frontend> {
  const { host = '127.0.0.1', maxBodyBytes = 10 * 1024 * 1024 } = options;
  validate(options);
  const log = (fields: object, message: string): void => options.logger?.info(fields, message);
  const documented = createFrontendHealth(options.healthMode);

  const pool = createWorkerPool(
    options.workers,
    {
      now: monoMs,
      random: Math.random,
      log,
      onLeaving: (ref) => requests.each((stream) => stream.leaving(ref)),
      onCondition: (ref, condition) =>
        requests.each((stream) => {
          if (condition === 'suspect') stream.suspect(ref);
          else if (condition !== 'alive') stream.lost(ref, 'stalled', `the worker is ${condition}`);
        }),
      onGone: (ref) => requests.each((stream) => stream.lost(ref, 'reset', 'the worker is gone')),
      onProgress: (ref) => requests.each((stream) => stream.progress(ref)),
      onEjected: () => metrics.ejected(),
      onMember: register,
    },
    options.thresholds,
  );
  const gate = createGate(options.admission ?? {}, {
    now: monoMs,
    random: Math.random,
    room: pool.room,
  });
  const metrics = createFrontendMetrics({
    inFlight: () => requests.inFlight,
    queued: () => gate.queued,
    members: pool.members,
  });
  const requests = createRequests({ pool, gate, metrics, options, log });

  function register({ url, ref, state }: MemberView): void {
    if (state === 'gone' || ref === null) documented.delete(url);
    else
      documented.set(url, {
        namespace: 'dynamo',
        component: 'backend',
        endpoint: 'generate',
        instanceId: instanceId(ref.incarnation),
        transport: { http: url },
      });
  }

  let lastTickMs = monoMs();
  const timer = setInterval(() => {
    const now = monoMs();
    const pausedMs = now - lastTickMs - TICK_MS;
    lastTickMs = now;
    if (pausedMs > PAUSE_MS) return;
    pool.tick();
    gate.tick();
    requests.each((stream) => {
      if (now >= stream.nextTimerMs()) stream.tick();
    });
  }, TICK_MS).unref();

  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) => fail(response, error));
  });

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0];
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    switch (`${method} ${path}`) {
      case 'POST /v1/completions':
        return complete(request, response, false);
      case 'POST /v1/chat/completions':
        return complete(request, response, true);
      case 'GET /v1/models':
        return sendJson(response, 200, modelsBody(pool.models(), 0));
      case 'GET /health':
        return send(response, documented.health());
      case 'GET /live':
        return send(response, documented.live());
      case 'GET /metrics': {
        const text = await metrics.text();
        response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text);
        return;
      }
      default:
        sendError(response, {
          status: 404,
          type: 'invalid_request_error',
          message: `no route ${request.method} ${path}; there are ${ROUTES}`,
        });
    }
  }

  async function complete(
    request: IncomingMessage,
    response: ServerResponse,
    isChat: boolean,
  ): Promise<void> {
    const { headers } = request;
    const { value, bytes } = await readJson(request, maxBodyBytes);
    const parsed = parseCompletion(value, isChat);
    const given = { id: requestIdOf(headers, MAX_ID), request: parsed, traceparent: traceparentOf(headers) };
    requests.run(given, bytes, response);
  }

  async function drain(): Promise<void> {
    documented.setStage('draining');
    requests.isDraining = true;
    await requests.idle();
  }
  const onDrain = (): void => void drain();
  options.health?.on('drain', onDrain);

  async function close(): Promise<void> {
    clearInterval(timer);
    options.health?.off('drain', onDrain);
    documented.setStage('stopping');
    requests.isDraining = true;
    requests.cut();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    // Errors that have just been written are to arrive.
    setTimeout(() => server.closeAllConnections(), 100).unref();
    await Promise.all([closed, pool.close()]);
  }

  const { url } = await listen(server, options.port ?? 8000, host).catch(async (error: unknown) => {
    clearInterval(timer);
    await pool.close();
    throw error;
  });
  log({ url, workers: options.workers }, 'frontend listens');

  return {
    url,
    get inFlight() {
      return requests.inFlight;
    },
    workers: pool.members,
    migrations: () => ({ ...requests.migrations }),
    drain,
    resume() {
      documented.setStage('ready');
      requests.isDraining = false;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function validate({ workers, overloadStatus = 503 }: FrontendOptions): void {
  if (!Array.isArray(workers) || workers.length === 0)
    throw invalid('workers', 'a list of at least one URL as http://host:port', workers);
  for (const url of workers) {
    const { protocol, pathname } = parseUrl(url);
    if (protocol !== 'http:' || pathname !== '/') throw invalid('workers', 'URLs as http://host:port', url);
  }
  if (new Set(workers).size < workers.length) throw invalid('workers', 'each URL once', workers);
  if (!Number.isInteger(overloadStatus) || overloadStatus < 400 || overloadStatus > 599)
    throw invalid('overloadStatus', 'an HTTP status from 400 to 599', overloadStatus);
}

function parseUrl(url: string): { readonly protocol: string; readonly pathname: string } {
  try {
    return new URL(url);
  } catch {
    return { protocol: '', pathname: '' };
  }
}

/** 64 bits of a worker's incarnation: a new one with each of its lives, as an instance id should be. */
function instanceId(incarnation: string): bigint {
  return createHash('sha256').update(incarnation).digest().readBigUInt64BE(0);
}

function send(response: ServerResponse, { status, body }: FrontendAnswer): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(body);
}

function fail(response: ServerResponse, error: unknown): void {
  const type = 'invalid_request_error';
  if (error instanceof BadRequest)
    sendError(response, { status: 400, type, message: error.message, param: error.param });
  else if (error instanceof BodyError)
    sendError(response, { status: error.status, type, message: error.message });
  else sendError(response, { status: 500, type: 'server_error', message: (error as Error).message });
}
