import type { ServerResponse } from 'node:http';
import type { ClientEvent } from '../fleet/logical-request.js';
import type { FinishReason, Outcome } from '../fleet/types.js';
import { createEventStream } from '../wire/event-stream.js';
import { writeHead } from '../worker/completions.js';
import { sendError, sendJson } from '../worker/http-body.js';
import { answerBody, createEventWriter, type OpenAiError } from '../worker/openai.js';
import type { CompletionRequest } from '../worker/request.js';

export interface ClientWriter {
  /** @param message what the last attempt said, for an error */
  write(event: ClientEvent, message: string): void;
  /** Ends an answer that cannot go on with an error, whatever has been sent of it. */
  fail(error: OpenAiError): void;
}

/** A client that is so far behind is not reading: its answer must not fill the memory. */
const MAX_BEHIND = 8 * 1024 * 1024;

/** What a client reads: events as they come, or one answer at the end. */
export function createClientWriter(
  response: ServerResponse,
  {
    id,
    model,
    request,
    overloadStatus = 503,
    retryAfterSeconds,
  }: {
    readonly id: string;
    readonly model: string;
    readonly request: CompletionRequest;
    /** Status of an answer that every worker was too full for. Default 503. */
    readonly overloadStatus?: number;
    /** When whoever gets this may come back; null: no word of that. */
    retryAfterSeconds?(outcome: Outcome | 'poison'): number | null;
  },
): ClientWriter {
  const context = { id, model, created: Math.floor(Date.now() / 1000), isChat: request.isChat };
  const events = request.stream ? createEventWriter(context) : null;
  const texts: string[] = new Array<string>(request.choices).fill('');
  const reasons: FinishReason[] = [];
  response.setHeader('X-Request-Id', id);

  const stream = createEventStream(
    response,
    () => writeHead(response),
    () => {
      if (response.writableLength > MAX_BEHIND) response.destroy();
    },
  );

  function fail(error: OpenAiError, seconds: number | null = error.status === 503 ? 1 : null): void {
    if (response.destroyed || response.writableEnded) return;
    if (events === null || !stream.hasBegun)
      sendError(response, error, seconds === null ? {} : { 'Retry-After': String(seconds) });
    // Half an answer that ends without a word would be taken for a whole one.
    else stream.end(events.error(error));
  }

  return {
    fail,
    write(event, message) {
      if (response.destroyed) return;
      switch (event.type) {
        case 'text':
          if (events !== null) stream.write(events.text(event.choice, event.text));
          else texts[event.choice] += event.text;
          break;
        case 'choice_end':
          reasons[event.choice] = event.reason;
          if (events !== null) stream.write(events.choiceEnd(event.choice, event.reason));
          break;
        case 'end':
          if (events === null) {
            const choices = texts.map((text, index) => ({ text, reason: reasons[index] ?? 'stop' }));
            sendJson(response, 200, answerBody(context, choices, event.usage));
          } else {
            if (request.includeUsage) stream.write(events.usage(event.usage));
            stream.end(events.done);
          }
          break;
        case 'error': {
          const { outcome, why } = event;
          // What is wrong with a request its server has said.
          const said = outcome === 'invalid' && message !== '' ? message : null;
          const error = outcomeError(outcome, said ?? (message === '' ? why : `${why}: ${message}`));
          const status = outcome === 'overloaded' ? overloadStatus : error.status;
          fail({ ...error, status }, retryAfterSeconds?.(outcome));
          break;
        }
      }
    },
  };
}

const STATUSES: Partial<Record<Outcome | 'poison', number>> = {
  invalid: 400,
  unsupported: 400,
  overloaded: 503,
  draining: 503,
  shutdown: 503,
  no_workers: 503,
  deadline: 504,
};

export function outcomeError(outcome: Outcome | 'poison', message: string): OpenAiError {
  const status = STATUSES[outcome] ?? (outcome === 'poison' ? 500 : 502);
  const type =
    status === 400 ? 'invalid_request_error' : status === 503 ? 'overloaded_error' : 'server_error';
  return { status, type, message, code: outcome === 'deadline' ? 'deadline_exceeded' : outcome };
}
