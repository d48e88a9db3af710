import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../config/options.js';
import type { ClientEvent } from '../fleet/logical-request.js';
import type { MigrationLimits } from '../fleet/migrator-types.js';
import { createQuarantine } from '../fleet/quarantine.js';
import { createRetryBudget } from '../fleet/retry-budget.js';
import { monoMs } from '../native/clock.js';
import { BodyError, readJson, sendError, sendJson } from '../worker/http-body.js';
import { modelsBody } from '../worker/openai.js';
import { BadRequest, type CompletionRequest, parseCompletion } from '../worker/request.js';
import { createClientWriter, outcomeError } from './client-writer.js';
import { createWorkerPool, type MemberView } from './pool.js';
import { type RunningStream, runStream } from './stream.js';

export interface FrontendOptions {
  /** `http://host:port` of each worker. */
  readonly workers: readonly string[];
  /** Port of the API, 0: any. Default 8000. */
  readonly port?: number;
  /** Default 127.0.0.1: the API has no authentication of its own. */
  readonly host?: string;
  /** Limits of migration; `migrationLimit` 3 by default, 0 turns it off. */
  readonly migration?: Partial<MigrationLimits>;
  /** Largest request body. Default 10 MiB. */
  readonly maxBodyBytes?: number;
  readonly logger?: Logger;
}

export interface Frontend {
  /** `http://host:port` of the API. */
  readonly url: string;
  readonly inFlight: number;
  workers(): readonly MemberView[];
  /** Streams that went on elsewhere, by why they had to. */
  migrations(): Readonly<Record<string, number>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const TICK_MS = 50;

/** OpenAI's API in front of workers: a stream whose worker is lost goes on at another one. */
export async function startFrontend(options: FrontendOptions): Promise<Frontend> {
  const { host = '127.0.0.1', maxBodyBytes = 10 * 1024 * 1024 } = options;
  const log = (fields: object, message: string): void => options.logger?.info(fields, message);
  const streams = new Set<RunningStream>();
  const migrations: Record<string, number> = {};
  const retryBudget = createRetryBudget();
  const hedgeBudget = createRetryBudget({ ratio: 0.02, minPerSecond: 1 });
  const quarantine = createQuarantine();

  const pool = createWorkerPool(options.workers, {
    now: monoMs,
    random: Math.random,
    log,
    onLeaving: (ref) => each((stream) => stream.leaving(ref)),
    onCondition: (ref, condition) =>
      each((stream) => {
        if (condition === 'suspect') stream.suspect(ref);
        else if (condition !== 'alive') stream.lost(ref, condition);
      }),
    onProgress: (ref) => each((stream) => stream.progress(ref)),
  });

  /** A stream may end while it is told. */
  function each(tell: (stream: RunningStream) => void): void {
    for (const stream of [...streams]) tell(stream);
  }

  const timer = setInterval(() => {
    pool.tick();
    const now = monoMs();
    each((stream) => {
      if (now >= stream.nextTimerMs()) stream.tick();
    });
  }, TICK_MS).unref();

  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) => fail(response, error));
  });

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0];
    switch (`${request.method} ${path}`) {
      case 'POST /v1/completions':
        return complete(request, response, false);
      case 'POST /v1/chat/completions':
        return complete(request, response, true);
      case 'GET /v1/models':
        return sendJson(response, 200, modelsBody(pool.models(), 0));
      default:
        sendError(response, {
          status: 404,
          type: 'invalid_request_error',
          message: `no route ${request.method} ${path}; there are POST /v1/completions, POST /v1/chat/completions, GET /v1/models`,
        });
    }
  }

  async function complete(
    request: IncomingMessage,
    response: ServerResponse,
    isChat: boolean,
  ): Promise<void> {
    const parsed = parseCompletion(await readJson(request, maxBodyBytes), isChat);
    const hash = hashOf(parsed);
    const leftMs = quarantine.leftMs(hash, monoMs());
    if (leftMs > 0) {
      sendError(response, outcomeError('poison', 'two workers were lost to this request'), {
        'Retry-After': String(Math.ceil(leftMs / 1000)),
      });
      return;
    }
    const header = request.headers['x-request-id'];
    const id =
      typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header)
        ? header
        : `req-${randomBytes(12).toString('hex')}`;
    retryBudget.deposit(monoMs());
    hedgeBudget.deposit(monoMs());
    run(id, parsed, hash, response);
  }

  function run(id: string, request: CompletionRequest, hash: string, response: ServerResponse): void {
    const model = request.model ?? pool.models()[0] ?? 'unknown';
    const writer = createClientWriter(response, { id, model, request });
    let stream: RunningStream | null = null;
    let hasEnded = false;
    const client = (event: ClientEvent, message: string): void => {
      writer.write(event, message);
      if (event.type !== 'end' && event.type !== 'error') return;
      hasEnded = true;
      if (stream !== null) streams.delete(stream);
    };
    stream = runStream(id, request, {
      pool,
      limits: options.migration ?? {},
      retryBudget: retryBudget.tryWithdraw,
      hedgeBudget: hedgeBudget.tryWithdraw,
      now: monoMs,
      random: Math.random,
      log,
      onMigrated(outcome) {
        migrations[outcome] = (migrations[outcome] ?? 0) + 1;
      },
      onPoison(workers) {
        quarantine.add(hash, monoMs());
        for (const ref of workers) pool.forgive(ref);
      },
      client,
    });
    if (hasEnded) return;
    const running = stream;
    streams.add(running);
    response.on('close', () => {
      if (!hasEnded) running.cancel();
    });
  }

  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 8000, host, () => resolve((server.address() as AddressInfo).port));
  });

  const close = async (): Promise<void> => {
    clearInterval(timer);
    each((stream) => stream.cancel());
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await Promise.all([closed, pool.close()]);
  };
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    get inFlight() {
      return streams.size;
    },
    workers: pool.members,
    migrations: () => ({ ...migrations }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Of what the engine computes on: the same words of another client are the same danger. */
function hashOf({ model, prompt, temperature, seed, maxTokens }: CompletionRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([model, prompt, temperature, seed, maxTokens]))
    .digest('base64');
}

function fail(response: ServerResponse, error: unknown): void {
  if (error instanceof BadRequest)
    sendError(response, {
      status: 400,
      type: 'invalid_request_error',
      message: error.message,
      param: error.param,
    });
  else if (error instanceof BodyError)
    sendError(response, { status: error.status, type: 'invalid_request_error', message: error.message });
  else sendError(response, { status: 500, type: 'server_error', message: (error as Error).message });
}
