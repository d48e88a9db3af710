/** Fields that engines of others may know and ours do not: what is passed on, and what it means for a move. */
import { BadRequest } from './bad-request.js';

/** What a frontend says itself, for each attempt anew. */
const OWN = new Set([
  ...[
    'model',
    'prompt',
    'messages',
    'max_tokens',
    'max_completion_tokens',
    'temperature',
    'seed',
    'stop',
    'n',
  ],
  ...['stream', 'stream_options', 'return_token_ids', 'generated', 'choice'],
]);
/** Their answers are more than text, which is all that a frontend can put together from two workers. */
const OPAQUE: Readonly<Record<string, readonly unknown[]>> = {
  tools: [],
  functions: [],
  tool_choice: ['none', 'auto'],
  function_call: ['none', 'auto'],
  logprobs: [false],
  top_logprobs: [0],
  prompt_logprobs: [],
  modalities: [],
  audio: [],
  echo: [false],
  best_of: [1],
  continue_final_message: [false],
  add_generation_prompt: [true],
};
/** They look at what was generated, and a replay hands that over as a prompt. */
const STATEFUL: Readonly<Record<string, readonly unknown[]>> = {
  suffix: [''],
  frequency_penalty: [0],
  presence_penalty: [0],
  repetition_penalty: [1],
  min_tokens: [0],
  use_beam_search: [false],
  include_stop_str_in_output: [false],
  structured_outputs: [],
  guided_json: [],
  guided_regex: [],
  guided_choice: [],
  guided_grammar: [],
  grammar: [],
  json_schema: [],
  regex: [],
  ebnf: [],
};

export interface ForeignFields {
  readonly extra: Readonly<Record<string, unknown>>;
  /** The field whose answers are passed on as they come, untouched; null: none. */
  readonly opaque: string | null;
  /** The whole request where it is passed on. */
  readonly raw: Readonly<Record<string, unknown>> | null;
  /** The field for which the answer cannot go on elsewhere once it has begun; null: it can. */
  readonly stateful: string | null;
}

/** Schemas of tools have a dozen. What JSON.parse takes may be too deep for JSON.stringify, which says so in mid-request. */
const MAX_LEVELS = 256;

/** @throws BadRequest for what is nested deeper than any engine needs */
export function foreignFields(fields: Readonly<Record<string, unknown>>): ForeignFields {
  for (const [name, value] of Object.entries(fields))
    if (isDeeper(value, MAX_LEVELS)) throw new BadRequest(name, `at most ${MAX_LEVELS} levels`, value);
  const { response_format: format } = fields as { response_format?: { type?: unknown } | null };
  const isGuided = format !== undefined && format !== null && format.type !== 'text';
  const opaque = firstSet(fields, OPAQUE) ?? (isText(fields.messages) ? null : 'messages');
  return {
    extra: Object.fromEntries(Object.entries(fields).filter(([name]) => !OWN.has(name))),
    opaque,
    raw: opaque === null ? null : fields,
    stateful: firstSet(fields, STATEFUL) ?? (isGuided ? 'response_format' : null),
  };
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return parts.some((part) => isDeeper(part, levels - 1));
}

function firstSet(
  fields: Readonly<Record<string, unknown>>,
  neutrals: Readonly<Record<string, readonly unknown[]>>,
): string | null {
  for (const [name, neutral] of Object.entries(neutrals)) {
    const value = fields[name];
    const isEmpty = Array.isArray(value) && value.length === 0;
    if (value !== undefined && value !== null && !isEmpty && !neutral.includes(value)) return name;
  }
  return null;
}

/** Whether a chat has nothing but texts of known kinds; what is wrong with it altogether is found elsewhere. */
function isText(messages: unknown): boolean {
  if (!Array.isArray(messages)) return true;
  return messages.every((message: unknown) => {
    const { content, tool_calls: calls, tool_call_id: id } = (message ?? {}) as Record<string, unknown>;
    if (calls !== undefined || id !== undefined) return false;
    return !Array.isArray(content) || content.every((part) => (part as { type?: unknown })?.type === 'text');
  });
}
