/** One attempt at a worker: sends the request, hands on frames, and says once how it ended. */
import type { Dispatcher } from 'undici';
import type { Outcome } from '../fleet/types.js';
import { decodeFrame, FRAMES_TYPE, type Frame } from '../wire/frames.js';
import { createLineSplitter } from '../wire/lines.js';
import type { CompletionRequest } from '../worker/request.js';
import type { Reservation } from './pool.js';
import { PROBLEM_TEXTS, problemOf } from './problem.js';

export interface AttemptPorts {
  frame(frame: Frame): void;
  /** Not after `kill`. */
  failed(failure: AttemptFailure): void;
}

export interface AttemptFailure {
  readonly outcome: Outcome;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export interface Attempt {
  kill(): void;
}

export interface AttemptRequest {
  readonly id: string;
  readonly request: CompletionRequest;
  readonly prompt: string | readonly number[];
  readonly generated: Int32Array;
  readonly choice: number;
  /** Passed on as it came; null: none. */
  readonly traceparent: string | null;
}

/** What follows a finish is nothing but the end of the body; a connection over which that does not come is not kept. */
const END_LIMIT_MS = 1000;
/** More of a refusal nobody reads. */
const MAX_REFUSAL = 64 * 1024;

export function startAttempt(
  reservation: Reservation,
  attempt: AttemptRequest,
  ports: AttemptPorts,
): Attempt {
  const killed = new AbortController();
  let hasEnded = false;
  let endTimer: NodeJS.Timeout | undefined;

  const fail = (failure: AttemptFailure): void => {
    if (hasEnded || killed.signal.aborted) return;
    hasEnded = true;
    ports.failed(failure);
  };

  async function run(): Promise<void> {
    const { statusCode, headers, body } = await reservation.http.request({
      path: isUntemplated(attempt) ? '/v1/chat/completions' : '/v1/completions',
      method: 'POST',
      signal: killed.signal,
      headers: {
        'content-type': 'application/json',
        accept: FRAMES_TYPE,
        'x-request-id': attempt.id,
        ...(attempt.traceparent === null ? {} : { traceparent: attempt.traceparent }),
      },
      body: bodyOf(attempt),
    });
    if (statusCode === 401) {
      body.on('error', () => undefined).destroy();
      reservation.refused('token');
      return fail({ outcome: 'overloaded', message: PROBLEM_TEXTS.token });
    }
    if (statusCode !== 200) return fail(refusal(statusCode, headers, await readRefusal(body)));
    const split = createLineSplitter((line) => {
      if (hasEnded || killed.signal.aborted) return;
      const frame = decodeFrame(line);
      if (frame.type === 'error') return fail({ outcome: frame.outcome, message: frame.message });
      if (frame.type === 'token') reservation.token();
      if (frame.type === 'finish') {
        hasEnded = true;
        endTimer = setTimeout(() => killed.abort(), END_LIMIT_MS);
      }
      ports.frame(frame);
    });
    for await (const chunk of body) split(chunk as Uint8Array);
    fail({ outcome: 'truncated', message: 'the stream ended without a finish' });
  }

  run()
    .catch((error: Error & { code?: string }) => {
      const problem = problemOf(error);
      if (problem === null) return fail({ outcome: outcomeOf(error), message: error.message });
      reservation.refused(problem);
      fail({ outcome: 'overloaded', message: PROBLEM_TEXTS[problem] });
    })
    .finally(() => {
      clearTimeout(endTimer);
      // Lets go of the connection of an attempt that failed in the middle of its body.
      killed.abort();
    });
  return { kill: () => killed.abort() };
}

/** A chat goes as messages, until a worker has said what its template makes of them. */
const isUntemplated = ({ request, prompt }: AttemptRequest): boolean =>
  request.messages !== null && prompt === request.prompt;

function bodyOf(attempt: AttemptRequest): string {
  const { request, prompt, generated, choice } = attempt;
  const { model, maxTokens, temperature, seed, messages } = request;
  return JSON.stringify({
    ...(model === null ? {} : { model }),
    ...(isUntemplated(attempt) ? { messages } : { prompt }),
    max_tokens: maxTokens,
    temperature,
    ...(seed === null ? {} : { seed }),
    generated: [...generated],
    choice,
  });
}

async function readRefusal(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += String(chunk);
    if (text.length > MAX_REFUSAL) break;
  }
  return text;
}

function refusal(
  status: number,
  headers: Record<string, string | string[] | undefined>,
  text: string,
): AttemptFailure {
  const told = headers['x-inference-outcome'];
  const message = messageIn(text) ?? `the worker answered ${status}`;
  if (status === 429 || status === 503 || status === 529) {
    const seconds = Number(headers['retry-after']);
    const outcome = told === 'draining' || told === 'shutdown' ? told : 'overloaded';
    return { outcome, message, ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}) };
  }
  if (told === 'unsupported') return { outcome: told, message };
  // Any other 4xx is no word about the request: a worker of ours does not say it.
  if (status === 400 || status === 413 || status === 422) return { outcome: 'invalid', message };
  return { outcome: told === 'numerical' || told === 'reset' ? told : 'engine_error', message };
}

function messageIn(text: string): string | null {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? error.message : null;
  } catch {
    return null;
  }
}

const NOT_REACHED: readonly (string | undefined)[] = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
];

/** Where nobody was reached no byte was sent, and where the answer is no answer the worker is broken. */
function outcomeOf({ code, name }: Error & { code?: string }): Outcome {
  if (NOT_REACHED.includes(code)) return 'not_sent';
  if (name === 'FrameError' || name === 'HTTPParserError') return 'engine_error';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'truncated';
  return 'reset';
}
