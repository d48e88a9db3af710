/** Errors of the API before a request is one, in OpenAI's form. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { requestIdOf } from '../wire/headers.js';
import { errorBody, type OpenAiError } from '../worker/openai.js';
import { requestError, sendRequestError } from '../worker/request-errors.js';

/** A path or a method that there is not. */
export class RouteError extends Error {
  override readonly name = 'RouteError';
  readonly status: 404 | 405;
  readonly code: string | undefined;
  constructor(status: 404 | 405, message: string, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param report told of what is nobody's doing but ours; the client gets the id under which it was, and no more */
export function fail(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  report: (id: string, error: unknown) => void,
): void {
  // A body that nobody reads must not be taken for the next request; what is small is read and thrown away.
  if (!request.complete) request.resume();
  sendRequestError(
    response,
    requestError(error) ?? routeError(error) ?? internalError(request, error, report),
  );
}

function internalError(
  request: IncomingMessage,
  error: unknown,
  report: (id: string, error: unknown) => void,
): OpenAiError {
  const id = requestIdOf(request.headers);
  report(id, error);
  const message = `an error in the frontend; its log names it by the request ${id}`;
  return { status: 500, type: 'server_error', message, code: 'internal_error' };
}

function routeError(error: unknown): OpenAiError | null {
  if (!(error instanceof RouteError)) return null;
  const { status, message, code } = error;
  return { status, type: 'invalid_request_error', message, ...(code === undefined ? {} : { code }) };
}

const PARSER_ERRORS: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Payload Too Large', 'the chunk extensions are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not arrive in time'],
};

/** What is no HTTP, too large or too slow is told so too, before its connection is closed. */
export function answerClientErrors(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET' || hasAnswered(socket)) {
      socket.destroy();
      return;
    }
    const [status, reason, message] = PARSER_ERRORS[error.code ?? ''] ?? [
      400,
      'Bad Request',
      'the request is not HTTP',
    ];
    const body = JSON.stringify(errorBody({ status, type: 'invalid_request_error', message }));
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
        `Connection: close\r\n\r\n${body}`,
    );
  });
}

/** In the middle of an answer an error page would be taken for a part of it. */
function hasAnswered(socket: Socket): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: ServerResponse | null };
  return message?.headersSent === true;
}
