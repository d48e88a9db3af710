/** The routes of a worker's API. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../config/options.js';
import type { ServedEndpoint } from '../lifecycle/serve.js';
import { onClientGone } from '../wire/client-gone.js';
import { FRAMES_TYPE } from '../wire/frames.js';
import { requestIdOf } from '../wire/headers.js';
import { timeoutMsOf } from '../wire/timeout-header.js';
import type { ActiveTokens } from './active-tokens.js';
import type { Beacons } from './beacons.js';
import { answerOpenAi } from './completions.js';
import type { Engine, GenerateRequest, TokenFrame } from './engine.js';
import { answerFrames } from './frame-answer.js';
import { readJson, sendError, sendJson } from './http-body.js';
import { modelsBody } from './openai.js';
import { parseCompletion } from './request.js';
import { checkSampling } from './sampling-support.js';

/** Below those of other processes ids grow by a name each. */
const MAX_ID = 512;

export interface RoutePorts {
  readonly engine: Engine;
  readonly endpoint: ServedEndpoint<GenerateRequest, TokenFrame>;
  readonly active: ActiveTokens;
  readonly beacons: Beacons;
  readonly maxBodyBytes: number;
  readonly logger: Logger | undefined;
}

/** Rejects with what is wrong with the request, before anything is answered. */
export type Routes = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function createRoutes({
  engine,
  endpoint,
  active,
  beacons,
  maxBodyBytes,
  logger,
}: RoutePorts): Routes {
  /** Ids of running requests that were stopped, not killed: they end well. */
  const stopped = new Set<string>();

  function report(id: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    logger?.error({ request: id, error: text }, 'the engine failed a request');
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
    checkSampling(engine, parsed.sampling);
    const id = requestIdOf(request.headers, MAX_ID);
    const call = {
      engine,
      endpoint,
      active,
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

  return async (request, response) => {
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
  };
}
