/** What went wrong at a worker: what a client may read of it, and what a frontend makes of it. */
import type { ServerResponse } from 'node:http';
import type { Outcome } from '../fleet/types.js';
import { sendError } from './http-body.js';
import type { OpenAiError } from './openai.js';
import { requestError, sendRequestError } from './request-errors.js';

/**
 * What a client may read: errors of this package, and those that an engine has given an outcome, were written for it. Any
 * other text may name paths and addresses; it goes to the log alone.
 */
export function isMeant(error: unknown): boolean {
  const { code, outcome } = (error ?? {}) as { code?: unknown; outcome?: unknown };
  return typeof outcome === 'string' || (typeof code === 'string' && code in OUTCOMES);
}

export function messageOf(error: unknown): string {
  return isMeant(error) && error instanceof Error ? error.message : 'the engine failed';
}

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  ERR_OVERLOADED: 'overloaded',
  ERR_DRAINING: 'draining',
  ERR_CLOSED: 'shutdown',
  ERR_CANCELLED: 'cancelled',
  ERR_DEADLINE: 'deadline',
};

/** What an attempt came to, for the frontend's choice of what to do next. */
export function outcomeOf(error: unknown): Outcome {
  const { code, outcome } = (error ?? {}) as { code?: unknown; outcome?: unknown };
  if (outcome === 'reset' || outcome === 'numerical' || outcome === 'invalid' || outcome === 'unsupported')
    return outcome;
  return OUTCOMES[String(code)] ?? 'engine_error';
}

/** Before the first byte: a status, with the wait that the refusal asks for. */
export function refuse(response: ServerResponse, error: unknown): void {
  const { statusCode, headers } = (error ?? {}) as { statusCode?: unknown; headers?: object };
  const outcome = outcomeOf(error);
  const isOurs = outcome !== 'invalid' && outcome !== 'unsupported';
  const status = typeof statusCode === 'number' ? statusCode : isOurs ? 500 : 400;
  const type = status === 503 ? 'overloaded_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  const body: OpenAiError = { status, type, message: messageOf(error), code: outcome };
  sendError(response, body, { ...headers, 'X-Inference-Outcome': outcome });
}

export function fail(response: ServerResponse, error: unknown): void {
  const known = requestError(error);
  if (known === null) refuse(response, error);
  else sendRequestError(response, known);
}
