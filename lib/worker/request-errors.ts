/** What is wrong with a request before it is one, in OpenAI's form; the same from a worker and from a frontend. */
import type { ServerResponse } from 'node:http';
import { BadRequest } from './bad-request.js';
import { BodyError, sendError } from './http-body.js';
import type { OpenAiError } from './openai.js';

/** Null: it is not the request. */
export function requestError(error: unknown): OpenAiError | null {
  const type = 'invalid_request_error';
  if (error instanceof BadRequest) return { status: 400, type, message: error.message, param: error.param };
  if (!(error instanceof BodyError)) return null;
  const { status, message } = error;
  return { status, type: status === 503 ? 'overloaded_error' : type, message };
}

export function sendRequestError(response: ServerResponse, error: OpenAiError): void {
  // What is left of a body that there was no room for is not read for ever.
  sendError(response, error, error.status === 503 ? { 'Retry-After': '1', Connection: 'close' } : {});
}
