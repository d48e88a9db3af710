import type { IncomingMessage, ServerResponse } from 'node:http';
import { monoMs } from '../native/clock.js';
import { errorBody, type OpenAiError } from './openai.js';

export class BodyError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'BodyError';
    this.status = status;
  }
}

export interface JsonBody {
  readonly value: unknown;
  /** As received: a chunked body says nothing of its size beforehand. */
  readonly bytes: number;
  /** When its last byte had been read; CLOCK_MONOTONIC. */
  readonly readMs: number;
}

/** @throws BodyError 400 for what is not JSON, 413 above `maxBytes` */
export function readJson(request: IncomingMessage, maxBytes: number): Promise<JsonBody> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data').resume();
        reject(new BodyError(413, `the body is larger than ${maxBytes} bytes`));
      } else chunks.push(chunk);
    });
    request.on('end', () => {
      const readMs = monoMs();
      try {
        resolve({ value: JSON.parse(Buffer.concat(chunks).toString('utf8')), bytes: size, readMs });
      } catch (error) {
        reject(new BodyError(400, `the body is not JSON: ${(error as Error).message}`));
      }
    });
    request.on('error', reject);
    request.on('aborted', () => reject(new BodyError(400, 'the request was aborted')));
  });
}

export function sendJson(response: ServerResponse, status: number, body: string, headers = {}): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

export function sendError(response: ServerResponse, error: OpenAiError, headers = {}): void {
  // What is left of a body that was too large is not read for ever.
  if (error.status === 413) response.setHeader('Connection', 'close');
  if (response.headersSent) response.destroy();
  else sendJson(response, error.status, JSON.stringify(errorBody(error)), headers);
}
