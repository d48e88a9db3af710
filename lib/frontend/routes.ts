/** The API's paths: who answers which, and what everything else is told. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FrontendAnswer, FrontendHealth } from '../dialects/dynamo-frontend.js';
import { requestIdOf, traceparentOf } from '../wire/headers.js';
import { BodyError, readJson, sendError, sendJson } from '../worker/http-body.js';
import { modelsBody } from '../worker/openai.js';
import { BadRequest, type CompletionRequest, parseCompletion } from '../worker/request.js';
import type { FrontendMetrics } from './metrics.js';
import type { Requests } from './requests.js';

export interface RoutePorts {
  readonly documented: FrontendHealth;
  readonly metrics: FrontendMetrics;
  readonly requests: Requests;
  readonly maxBodyBytes: number;
  models(): readonly string[];
}

/** Leaves room for what workers are told besides: choice and attempt. */
const MAX_ID = 128;

const ROUTES = 'POST /v1/completions, POST /v1/chat/completions, GET /v1/models, /health, /live, /metrics';

/** What says nothing of requests is answered without a token: probes and scrapers have none. */
export function isOpenRoute({ url = '' }: IncomingMessage): boolean {
  return ['/health', '/live', '/metrics'].includes(url.split('?', 1)[0] ?? '');
}

export function createRoutes(
  ports: RoutePorts,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { documented, metrics, requests, maxBodyBytes } = ports;

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0];
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    switch (`${method} ${path}`) {
      case 'POST /v1/completions':
        return complete(request, response, false);
      case 'POST /v1/chat/completions':
        return complete(request, response, true);
      case 'GET /v1/models':
        return sendJson(response, 200, modelsBody(ports.models(), 0));
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
    refuseWorkerFields(parsed);
    const given = { id: requestIdOf(headers, MAX_ID), request: parsed, traceparent: traceparentOf(headers) };
    requests.run(given, bytes, response);
  }

  return (request, response) => {
    route(request, response).catch((error: unknown) => fail(response, error));
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
