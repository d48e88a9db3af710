import { isTokenIds } from '../wire/frames.js';
import { findUnsupported } from './unsupported.js';

/** A request for completions as a worker and a frontend understand it. */
export interface CompletionRequest {
  readonly model: string | null;
  readonly prompt: string | readonly number[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number | null;
  readonly stop: readonly string[];
  readonly choices: number;
  readonly stream: boolean;
  /** `stream_options.include_usage`. */
  readonly includeUsage: boolean;
  /** Only between frontend and worker: what was generated already, and of which choice. */
  readonly generated: readonly number[];
  readonly choice: number;
  readonly isChat: boolean;
}

/** Says which field was wrong, what was expected and what came. */
export class BadRequest extends Error {
  readonly param: string;
  constructor(param: string, expected: string, received: unknown) {
    super(`${param}: expected ${expected}, received ${show(received)}`);
    this.name = 'BadRequest';
    this.param = param;
  }
}

const MAX_CHOICES = 128;
const MAX_STOPS = 16;
const DEFAULT_MAX_TOKENS = 256;
const MAX_TOKENS = 1_000_000;

/** @throws BadRequest */
export function parseCompletion(body: unknown, isChat: boolean): CompletionRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BadRequest('body', 'a JSON object', body);
  const fields = body as Record<string, unknown>;
  const unsupported = findUnsupported(fields);
  if (unsupported !== null)
    throw new BadRequest(unsupported.name, unsupported.expected, fields[unsupported.name]);
  const options = fields.stream_options;
  const includeUsage =
    typeof options === 'object' &&
    options !== null &&
    (options as { include_usage?: unknown }).include_usage === true;
  return {
    model: optional(fields, 'model', 'a string', isString) ?? null,
    prompt: isChat ? chatPrompt(fields.messages) : prompt(fields.prompt),
    maxTokens:
      optional(fields, 'max_completion_tokens', `an integer from 1 to ${MAX_TOKENS}`, isCount(MAX_TOKENS)) ??
      optional(fields, 'max_tokens', `an integer from 1 to ${MAX_TOKENS}`, isCount(MAX_TOKENS)) ??
      DEFAULT_MAX_TOKENS,
    temperature: optional(fields, 'temperature', 'a number from 0 to 2', isTemperature) ?? 1,
    seed: optional(fields, 'seed', 'a safe integer', isSafeInteger) ?? null,
    stop: stops(fields.stop),
    choices: optional(fields, 'n', `an integer from 1 to ${MAX_CHOICES}`, isCount(MAX_CHOICES)) ?? 1,
    stream: optional(fields, 'stream', 'true or false', isBoolean) ?? false,
    includeUsage,
    generated: optional(fields, 'generated', 'an array of token ids', isTokenIds) ?? [],
    choice: optional(fields, 'choice', `an integer below ${MAX_CHOICES}`, isIndex) ?? 0,
    isChat,
  };
}

/** Unset is absent or null, as clients send it. */
function optional<T>(
  fields: Record<string, unknown>,
  name: string,
  expected: string,
  is: (value: unknown) => value is T,
): T | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (!is(value)) throw new BadRequest(name, expected, value);
  return value;
}

const isString = (value: unknown): value is string => typeof value === 'string';
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isSafeInteger = (value: unknown): value is number => Number.isSafeInteger(value);
const isCount =
  (most: number) =>
  (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
const isIndex = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_CHOICES;
const isTemperature = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= 2;

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

/** Roles as plain text, for engines without a template of their own. */
function chatPrompt(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages', 'a list of at least one message', messages);
  const lines = messages.map((message: unknown, index) => {
    const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as {
      role?: unknown;
      content?: unknown;
    };
    if (!isString(role)) throw new BadRequest(`messages[${index}].role`, 'a string', role);
    return `${role}: ${messageText(content, `messages[${index}].content`)}`;
  });
  return `${lines.join('\n')}\nassistant:`;
}

function messageText(content: unknown, where: string): string {
  if (isString(content)) return content;
  if (!Array.isArray(content)) throw new BadRequest(where, 'a string or a list of text parts', content);
  return content
    .map((part: unknown, index) => {
      const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as {
        type?: unknown;
        text?: unknown;
      };
      if (type !== 'text' || !isString(text))
        throw new BadRequest(`${where}[${index}]`, 'a part of type text', part);
      return text;
    })
    .join('');
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  // JSON.parse takes what is nested deeper than JSON.stringify can go.
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    return 'something deeply nested';
  }
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
