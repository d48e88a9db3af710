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

export interface Body {
  readonly content: Buffer;
  /** As received: a chunked body says nothing of its size beforehand. */
  readonly bytes: number;
  /** When its last byte had been read; CLOCK_MONOTONIC. */
  readonly readMs: number;
}

export interface JsonBody extends Omit<Body, 'content'> {
  readonly value: unknown;
}

/** What bodies may take that are still coming, of all requests together: clients decide how many there are, and how slow. */
export interface BodyRoom {
  readonly maxBytes: number;
  usedBytes: number;
}

/** Of the process, since its memory is. */
const ROOM: BodyRoom = { maxBytes: 256 * 1024 * 1024, usedBytes: 0 };

/** @throws BodyError 400 for what is not JSON, 413 above `maxBytes`, 503 where too many bodies are on their way */
export async function readJson(request: IncomingMessage, maxBytes: number, room = ROOM): Promise<JsonBody> {
  const { content, bytes, readMs } = await readBody(request, maxBytes, room);
  return { value: parseJson(content), bytes, readMs };
}

/** @throws BodyError 400 */
export function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString());
  } catch (error) {
    throw new BodyError(400, `the body is not JSON: ${(error as Error).message}`);
  }
}

/** @throws BodyError 413 above `maxBytes`, 503 where too many bodies are on their way */
export function readBody(request: IncomingMessage, maxBytes: number, room = ROOM): Promise<Body> {
  return new Promise((resolve, reject) => {
    let body: Buffer = Buffer.alloc(0);
    let size = 0;
    let isOver = false;
    let readMs = monoMs();

    function end(act: () => void): void {
      if (isOver) return;
      isOver = true;
      room.usedBytes -= size;
      act();
    }

    function refuse(status: number, message: string): void {
      request.removeAllListeners('data').resume();
      body = Buffer.alloc(0);
      end(() => reject(new BodyError(status, message)));
    }

    request.on('data', (chunk: Buffer) => {
      readMs = monoMs();
      const before = size;
      size += chunk.length;
      room.usedBytes += chunk.length;
      if (size > maxBytes) refuse(413, `the body is larger than ${maxBytes} bytes`);
      else if (room.usedBytes > Math.max(room.maxBytes, maxBytes))
        refuse(503, 'too many bodies are on their way');
      else body = appended(body, before, chunk, maxBytes);
    });
    request.on('end', () => end(() => resolve({ content: body.subarray(0, size), bytes: size, readMs })));
    request.on('error', (error) => end(() => reject(error)));
    request.on('aborted', () => end(() => reject(new BodyError(400, 'the request was aborted'))));
  });
}

/** Not a list of chunks: a client that sends single bytes would make a buffer of each, a hundred times the size of its body. */
function appended(body: Buffer, size: number, chunk: Buffer, maxBytes: number): Buffer {
  if (size === 0) return chunk;
  const needed = size + chunk.length;
  let room = body;
  if (needed > room.length) {
    room = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(needed, 2 * size)));
    body.copy(room, 0, 0, size);
  }
  chunk.copy(room, size);
  return room;
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
