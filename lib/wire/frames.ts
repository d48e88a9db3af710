/**
 * What a worker sends to a frontend: one JSON value a line. A frontend asks for it by `Accept`; whoever does not gets
 * OpenAI's events from the same route. Tokens are arrays, since there is one for every token of every stream.
 */
import type { FinishReason, Outcome } from '../fleet/types.js';

export const FRAMES_TYPE = 'application/vnd.inference-health.frames+ndjson';
export const NDJSON_TYPE = 'application/x-ndjson';

export type Frame =
  /** First of all: the templated prompt as the engine sees it; `ids` go back with a replay. */
  | { readonly type: 'prompt'; readonly tokens: number; readonly ids: readonly number[] | null }
  /** @param tokenId −1: the engine gives no ids */
  | { readonly type: 'token'; readonly seq: number; readonly tokenId: number; readonly bytes: Uint8Array }
  /** No token, but the engine moves. */
  | { readonly type: 'progress' }
  /** @param length tokens of the choice, replayed ones included */
  | { readonly type: 'finish'; readonly reason: FinishReason; readonly length: number }
  | { readonly type: 'error'; readonly outcome: Outcome; readonly message: string };

/** Frames end a line each, so that a cut stream is told from a whole one. */
export function encodeFrame(frame: Frame): string {
  switch (frame.type) {
    case 'token':
      return `[${frame.seq},${frame.tokenId},"${Buffer.from(frame.bytes).toString('base64')}"]\n`;
    case 'prompt':
      return `${JSON.stringify({ prompt: { tokens: frame.tokens, ids: frame.ids } })}\n`;
    case 'progress':
      return '{"progress":true}\n';
    case 'finish':
      return `${JSON.stringify({ finish: frame.reason, length: frame.length })}\n`;
    case 'error':
      return `${JSON.stringify({ error: { outcome: frame.outcome, message: frame.message } })}\n`;
  }
}

/** A worker that speaks something else counts as broken, not as crashed. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** @throws FrameError that says what was wrong */
export function decodeFrame(line: string): Frame {
  const value = parse(line);
  if (Array.isArray(value)) {
    const [seq, tokenId, bytes] = value as unknown[];
    if (!isPosition(seq) || !(isTokenId(tokenId) || tokenId === -1) || typeof bytes !== 'string')
      throw malformed(line);
    return { type: 'token', seq, tokenId, bytes: Buffer.from(bytes, 'base64') };
  }
  if (typeof value !== 'object' || value === null) throw malformed(line);
  const { prompt, progress, finish, length, error } = value as Record<string, unknown>;
  if (progress === true) return { type: 'progress' };
  if (typeof finish === 'string' && isPosition(length) && FINISH_REASONS.has(finish))
    return { type: 'finish', reason: finish as FinishReason, length };
  if (isObject(prompt) && isPosition(prompt.tokens)) {
    const ids = prompt.ids;
    if (ids !== null && !isTokenIds(ids)) throw malformed(line);
    return { type: 'prompt', tokens: prompt.tokens, ids };
  }
  if (isObject(error) && typeof error.message === 'string' && OUTCOMES.has(String(error.outcome)))
    return { type: 'error', outcome: error.outcome as Outcome, message: error.message };
  throw malformed(line);
}

const FINISH_REASONS = new Set<string>([
  'stop',
  'length',
  'content_filter',
  'tool_calls',
  'cancelled',
  'error',
] satisfies FinishReason[]);
/** What a worker may say of itself; the rest is for the frontend to see. */
const OUTCOMES = new Set<string>([
  'reset',
  'shutdown',
  'draining',
  'overloaded',
  'engine_error',
  'numerical',
  'invalid',
  'unsupported',
  'cancelled',
  'deadline',
] satisfies Outcome[]);

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw malformed(line);
  }
}

function malformed(line: string): Error {
  return new FrameError(`expected a frame, got ${line.length > 100 ? `${line.slice(0, 100)}…` : line}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPosition(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

export function isTokenIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isTokenId);
}

function isTokenId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0x7fffffff;
}
