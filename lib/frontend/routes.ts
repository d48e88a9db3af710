/** The API's paths: who answers which, and what everything else is told. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FrontendAnswer, FrontendHealth } from '../dialects/dynamo-frontend.js';
import { monoMs } from '../native/clock.js';
import { requestIdOf, traceparentOf } from '../wire/headers.js';
import { BodyError, parseJson, readBody, sendJson } from '../worker/http-body.js';
import { BadRequest, type CompletionRequest, parseCompletion } from '../worker/request.js';
import type { FrontendMetrics } from './metrics.js';
import { createModelList } from './model-list.js';
import { BUSY_THRESHOLD, FRONTEND_PATHS, type FrontendPaths } from './paths.js';
import type { Requests } from './requests.js';
import { fail, RouteError } from './route-errors.js';
import type { createTermsReader } from './terms.js';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
/** HEAD is answered as GET. */
export type Methods = Readonly<Partial<Record<'GET' | 'POST', Handler>>>;

export interface RoutePorts {
  readonly documented: FrontendHealth;
  readonly metrics: Pick<FrontendMetrics, 'contentType' | 'text'>;
  readonly requests: Requests;
  readonly maxBodyBytes: number;
  readonly paths?: Partial<FrontendPaths>;
  /** Null: there is no `/busy_threshold`. */
  readonly busyThreshold: Methods | null;
  /** The workers are servers of others. */
  readonly isForeign: boolean;
  /** An error of the frontend itself, with the request that it met. */
  report(id: string, error: unknown): void;
  models(): readonly string[];
  termsOf: ReturnType<typeof createTermsReader>;
}

/** Leaves room for what workers are told besides: choice and attempt. */
const MAX_ID = 128;

export interface Routes {
  answer(request: IncomingMessage, response: ServerResponse): void;
  /**
   * What is answered without the API's token: probes and scrapers have none, and it says nothing of requests. And what
   * asks for another token.
   */
  isOpen(request: IncomingMessage): boolean;
}

export function createRoutes(ports: RoutePorts): Routes {
  const { documented, metrics, requests, maxBodyBytes, isForeign } = ports;
  const paths: FrontendPaths = { ...FRONTEND_PATHS, ...ports.paths };
  const models = createModelList(ports.models);
  const table = new Map<string, Methods>([
    [paths.completions, { POST: (request, response) => complete(request, response, false) }],
    [paths.chat, { POST: (request, response) => complete(request, response, true) }],
    [paths.models, { GET: (_, response) => sendJson(response, 200, models.all()) }],
    [paths.health, { GET: (_, response) => sendAnswer(response, documented.health()) }],
    [paths.live, { GET: (_, response) => sendAnswer(response, documented.live()) }],
    [paths.metrics, { GET: (_, response) => sendMetrics(response) }],
  ]);
  if (ports.busyThreshold !== null) table.set(BUSY_THRESHOLD, ports.busyThreshold);
  /** Ids have slashes: the rest of the path is one. */
  const modelMethods: Methods = { GET: (request, response) => sendModel(request, response) };

  function sendModel(request: IncomingMessage, response: ServerResponse): void {
    const rest = pathOf(request).slice(paths.models.length + 1);
    const id = decoded(rest);
    const document = id === null ? null : models.one(id);
    if (document === null)
      throw new RouteError(
        404,
        `no worker serves the model ${JSON.stringify(id ?? rest)}`,
        'model_not_found',
      );
    sendJson(response, 200, document);
  }

  async function sendMetrics(response: ServerResponse): Promise<void> {
    const text = await metrics.text();
    response.writeHead(200, { 'Content-Type': metrics.contentType, ...NO_STORE }).end(text);
  }

  async function complete(
    request: IncomingMessage,
    response: ServerResponse,
    isChat: boolean,
  ): Promise<void> {
    const { headers } = request;
    // A time limit begins with the request, not with the end of its body.
    const terms = ports.termsOf(headers, monoMs());
    if (Number(headers['content-length']) > maxBodyBytes)
      throw new BodyError(413, `the body is larger than ${maxBodyBytes} bytes`);
    // Who waits to be asked for the body has not sent one that is refused.
    if (headers.expect !== undefined) response.writeContinue();
    const { content, bytes, readMs } = await readBody(request, maxBodyBytes);
    const id = requestIdOf(headers, MAX_ID);
    // Where nobody has a place, what was asked for does not matter: a long prompt takes longer to parse than a refusal may.
    if (requests.refuseIfFull(id, { ...terms, readMs }, response)) return;
    const parsed = parseCompletion(parseJson(content), isChat, isForeign);
    refuseWorkerFields(parsed);
    const given = { id, request: parsed, traceparent: traceparentOf(headers), deadlineMs: terms.deadlineMs };
    requests.run(given, { ...terms, bytes, readMs }, response);
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What is asked during a drain is the last on its connection.
    if (requests.isDraining) response.setHeader('Connection', 'close');
    const path = pathOf(request);
    const methods = table.get(path) ?? (path.startsWith(`${paths.models}/`) ? modelMethods : undefined);
    if (methods === undefined) throw new RouteError(404, `Route not found: ${request.method} ${path}`);
    const handler = methods[(request.method === 'HEAD' ? 'GET' : request.method) as keyof Methods];
    if (handler !== undefined) return handler(request, response);
    const allow = allowed(methods);
    response.setHeader('Allow', allow);
    if (request.method !== 'OPTIONS')
      throw new RouteError(405, `${path} does not take ${request.method}, it takes ${allow}`);
    response.writeHead(204).end();
  }

  const open = [paths.health, paths.live, paths.metrics, BUSY_THRESHOLD];
  return {
    answer(request, response) {
      route(request, response).catch((error: unknown) => fail(request, response, error, ports.report));
    },
    isOpen: (request) => open.includes(pathOf(request)),
  };
}

/** Of workers alone: passed over, they would give an answer that looks right and is not. */
function refuseWorkerFields({ returnTokenIds, generated, choice }: CompletionRequest): void {
  if (returnTokenIds)
    throw new BadRequest('return_token_ids', 'nothing or false: ask a worker for token ids', true);
  if (generated.length > 0)
    throw new BadRequest('generated', 'nothing: only a worker resumes a stream', generated);
  if (choice !== 0)
    throw new BadRequest('choice', 'nothing: only a worker makes one choice of several', choice);
}

const NO_STORE = { 'Cache-Control': 'no-store' };

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function allowed(methods: Methods): string {
  return [
    ...Object.keys(methods).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
    'OPTIONS',
  ].join(', ');
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function sendAnswer(response: ServerResponse, { status, body }: FrontendAnswer): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    ...NO_STORE,
  });
  response.end(body);
}
