import { isTokenIds } from '../wire/frames.js';
import { BadRequest } from './bad-request.js';
import { type ChatMessage, parseMessages, plainChat } from './chat.js';
import { booleanOf, integerOf, numberOf, optional } from './fields.js';
import { foreignFields } from './foreign-fields.js';
import { NEUTRAL, parseSampling, type SamplingOptions } from './sampling.js';
import { findUnsupported } from './unsupported.js';

export { BadRequest } from './bad-request.js';

/** A request for completions as a worker and a frontend understand it. */
export interface CompletionRequest {
  readonly model: string | null;
  /** Of a chat: its plain form, for engines without a template of their own. */
  readonly prompt: string | readonly number[];
  /** Null: no chat. */
  readonly messages: readonly ChatMessage[] | null;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number | null;
  /** Of an engine of somebody else: neutral, they are among `extra`. */
  readonly sampling: SamplingOptions;
  readonly stop: readonly string[];
  readonly choices: number;
  readonly stream: boolean;
  /** `stream_options.include_usage`. */
  readonly includeUsage: boolean;
  /** The answer tells the ids of prompt and generated tokens, as vLLM does. */
  readonly returnTokenIds: boolean;
  /** Only between frontend and worker: what was generated already, and of which choice. */
  readonly generated: readonly number[];
  readonly choice: number;
  readonly isChat: boolean;
  /** Fields for an engine of somebody else; of no meaning here. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The field for which an answer cannot go on elsewhere once it has begun; null: none. */
  readonly stateful: string | null;
  /** The field whose answer is passed on as it comes; null: none. */
  readonly opaque: string | null;
  /** Then the whole request. */
  readonly raw: Readonly<Record<string, unknown>> | null;
}

const MAX_CHOICES = 128;
const MAX_STOPS = 16;
const DEFAULT_MAX_TOKENS = 256;
const MAX_TOKENS = 1_000_000;

/**
 * @param isForeign for an engine of somebody else, which may know fields that ours do not
 * @throws BadRequest
 */
export function parseCompletion(body: unknown, isChat: boolean, isForeign = false): CompletionRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BadRequest('body', 'a JSON object', body);
  const fields = body as Record<string, unknown>;
  const unsupported = isForeign ? null : findUnsupported(fields);
  if (unsupported !== null)
    throw new BadRequest(unsupported.name, unsupported.expected, fields[unsupported.name]);
  const options = fields.stream_options;
  const includeUsage =
    typeof options === 'object' &&
    options !== null &&
    (options as { include_usage?: unknown }).include_usage === true;
  const foreign = isForeign ? foreignFields(fields) : NOTHING_FOREIGN;
  // What is passed on as it comes is for its engine to judge.
  const messages = isChat && foreign.opaque === null ? parseMessages(fields.messages) : null;
  const maxTokens = maxTokensOf(fields);
  return {
    model: optional(fields, 'model', 'a string', isString) ?? null,
    prompt:
      messages !== null ? plainChat(messages) : isChat ? sizeOf(fields.messages) : prompt(fields.prompt),
    messages,
    maxTokens,
    temperature: numberOf(fields, 'temperature', 0, 2) ?? 1,
    seed: optional(fields, 'seed', 'a safe integer', isSafeInteger) ?? null,
    sampling: isForeign ? NEUTRAL : parseSampling(fields, maxTokens),
    stop: stops(fields.stop),
    choices: integerOf(fields, 'n', 1, MAX_CHOICES) ?? 1,
    stream: booleanOf(fields, 'stream') ?? false,
    includeUsage,
    returnTokenIds: booleanOf(fields, 'return_token_ids') ?? false,
    generated: optional(fields, 'generated', 'an array of token ids', isTokenIds) ?? [],
    choice: integerOf(fields, 'choice', 0, MAX_CHOICES - 1) ?? 0,
    isChat,
    ...foreign,
  };
}

function maxTokensOf(fields: Record<string, unknown>): number {
  return (
    integerOf(fields, 'max_completion_tokens', 1, MAX_TOKENS) ??
    integerOf(fields, 'max_tokens', 1, MAX_TOKENS) ??
    DEFAULT_MAX_TOKENS
  );
}

const NOTHING_FOREIGN = { extra: {}, stateful: null, opaque: null, raw: null } as const;

/** Stands for a prompt that nobody here reads but for its length and its hash. */
function sizeOf(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages', 'a list of at least one message', messages);
  return JSON.stringify(messages);
}

const isString = (value: unknown): value is string => typeof value === 'string';
const isSafeInteger = (value: unknown): value is number => Number.isSafeInteger(value);

function prompt(value: unknown): string | readonly number[] {
  if (typeof value === 'string') return value;
  if (isTokenIds(value) && value.length > 0) return value;
  throw new BadRequest('prompt', 'a string or an array of token ids', value);
}

function stops(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || list.length > MAX_STOPS || !list.every((stop) => isString(stop) && stop !== ''))
    throw new BadRequest('stop', `a string or up to ${MAX_STOPS} strings that are not empty`, value);
  return list as string[];
}
