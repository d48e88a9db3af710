/**
 * An answer of somebody else's engine that is more than text (tool calls, log probabilities, images): passed on byte by byte.
 * Before its first byte another worker may take it; after that it cannot go on elsewhere, and says so.
 */
import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Withdraw } from '../fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import { isSame } from '../fleet/worker-ref.js';
import { monoMs } from '../native/clock.js';
import { drained } from '../wire/drained.js';
import { sendError } from '../worker/http-body.js';
import { errorBody, type OpenAiError } from '../worker/openai.js';
import { outcomeError } from './client-writer.js';
import type { Reservation, WorkerPool } from './pool.js';
import { outcomeOf } from './refusal.js';
import type { RunningStream, StreamRequest } from './stream.js';

export interface OpaquePorts {
  readonly pool: WorkerPool;
  readonly response: ServerResponse;
  readonly retryBudget: Withdraw;
  log(fields: object, message: string): void;
  /** Once: the answer has had its last byte. */
  ended(outcome: string): void;
}

const ATTEMPTS = 3;
const PASSED = ['content-type', 'retry-after', 'cache-control'] as const;

function outcomeOfStatus(status: number): Outcome {
  if (status < 400) return 'success';
  if (status === 429 || status === 503 || status === 529) return 'overloaded';
  // What is passed on all the same counts against the worker, not the request.
  return status >= 500 ? 'engine_error' : 'invalid';
}

export function runOpaque(
  { id, request, traceparent, deadlineMs = Number.POSITIVE_INFINITY }: StreamRequest,
  ports: OpaquePorts,
): RunningStream {
  const { pool, response, log } = ports;
  const promptTokens = Math.ceil(request.prompt.length / 4);
  const expectedTokens = request.maxTokens * request.choices;
  const excluded: WorkerRef[] = [];
  let current: { readonly ref: WorkerRef; readonly abort: AbortController } | null = null;
  let isOver = false;

  function end(outcome: string): void {
    if (isOver) return;
    isOver = true;
    ports.ended(outcome);
  }

  function fail(error: OpenAiError, outcome = error.code ?? 'engine_error'): void {
    if (isOver) return;
    if (response.destroyed) {
      end('cancelled');
      return;
    }
    if (!response.headersSent) sendError(response, error, error.status === 503 ? { 'Retry-After': '1' } : {});
    // Half an answer never looks whole: of a stream by its last event, of anything else by a broken connection.
    else if (String(response.getHeader('content-type')).startsWith('text/event-stream'))
      response.end(`data: ${JSON.stringify(errorBody(error))}\n\n`);
    else response.destroy();
    end(outcome);
  }

  async function attempt(reservation: Reservation): Promise<Outcome> {
    const abort = new AbortController();
    current = { ref: reservation.ref, abort };
    const { statusCode, headers, body } = await reservation.http.request({
      path: request.isChat ? '/v1/chat/completions' : '/v1/completions',
      method: 'POST',
      signal: abort.signal,
      headers: {
        'content-type': 'application/json',
        'x-request-id': id,
        ...(traceparent === null ? {} : { traceparent }),
      },
      body: JSON.stringify({ ...request.raw, ...(request.model === null ? {} : { model: request.model }) }),
    });
    for (const name of PASSED) {
      const value = headers[name];
      if (value !== undefined) response.setHeader(name, value);
    }
    response.setHeader('X-Request-Id', id);
    response.setHeader('X-Migration-Mode', 'none');
    response.writeHead(statusCode);
    await pass(body, response, () => reservation.tokens(monoMs(), 1));
    response.end();
    return outcomeOfStatus(statusCode);
  }

  async function run(): Promise<void> {
    for (let tries = 1; !isOver; tries += 1) {
      const reservation = pool.pick({ model: request.model, excluded, promptTokens, expectedTokens });
      if (reservation === null) return fail(outcomeError('no_workers', 'no worker can take the request'));
      try {
        const outcome = await attempt(reservation);
        reservation.release(outcome);
        return end(outcome);
      } catch (error) {
        const outcome = isOver ? 'cancelled' : outcomeOf(error as Error);
        reservation.release(outcome);
        if (isOver) return;
        excluded.push(reservation.ref);
        const { message } = error as Error;
        log({ request: id, from: reservation.ref.worker, outcome, error: message }, 'answer broke off');
        if (response.headersSent) {
          const why = `an answer to a request with ${request.opaque} cannot go on at another worker: ${message}`;
          return fail({ status: 502, type: 'server_error', message: why, code: 'migration_unsupported' });
        }
        const isFree = outcome === 'not_sent' && tries === 1;
        if (tries === ATTEMPTS || (!isFree && !ports.retryBudget(monoMs())))
          return fail(outcomeError(outcome, message));
      }
    }
  }
  run().catch((error: Error) => fail(outcomeError('engine_error', error.message)));

  const nothing = (): void => undefined;
  return {
    id,
    usage: { promptTokens, completionTokens: 0, replayedTokens: 0, migrations: 0 },
    mode: 'token',
    nextTimerMs: () => (isOver ? Number.POSITIVE_INFINITY : deadlineMs),
    tick() {
      if (isOver || monoMs() < deadlineMs) return;
      fail(outcomeError('deadline', 'the deadline of the request has passed'), 'deadline');
      current?.abort.abort();
    },
    suspect: nothing,
    leaving: nothing,
    progress: nothing,
    lost(ref, _outcome, why) {
      if (current !== null && isSame(current.ref, ref)) current.abort.abort(new Error(why));
    },
    cancel() {
      end('cancelled');
      current?.abort.abort();
    },
  };
}

/** As fast as the client reads. */
async function pass(
  body: Dispatcher.ResponseData['body'],
  response: ServerResponse,
  onChunk: () => void,
): Promise<void> {
  for await (const chunk of body) {
    onChunk();
    // A write behind the end, as of a request that was cut, would end the process.
    if (response.destroyed || response.writableEnded) throw new Error('the client is gone');
    if (!response.write(chunk)) await drained(response);
  }
}
