/** How tokens are drawn, in OpenAI's fields and vLLM's: their ranges, and what they are when a request does not have them. */
import { BadRequest } from './bad-request.js';
import { booleanOf, type Fields, integerOf, isWithin, numberOf } from './fields.js';

/** Each is at the value that changes nothing unless a request has it. */
export interface SamplingOptions {
  /** Tokens are drawn from the most likely ones that have so much probability together; 0 to 1, 0: from the best one. Neutral: 1. */
  readonly topP: number;
  /** Only from so many of the most likely ones; 0, which is neutral: from all. */
  readonly topK: number;
  /** Only from those at least so likely, as a share of the best one's probability; 0 to 1. Neutral: 0. */
  readonly minP: number;
  /** Taken from a token's logit for each time that it was generated already, never for the prompt; -2 to 2. Neutral: 0. */
  readonly frequencyPenalty: number;
  /** Taken once from the logit of a token that was generated already, never for the prompt; -2 to 2. Neutral: 0. */
  readonly presencePenalty: number;
  /** Divides positive logits, and multiplies negative ones, of tokens in the prompt or generated already; 0.01 to 100. Neutral: 1. */
  readonly repetitionPenalty: number;
  /** Added to the logits of these token ids; -100 to 100. Neutral: empty. */
  readonly logitBias: ReadonlyMap<number, number>;
  /** The engine does not end the choice before so many tokens, replayed ones included. Neutral: 0. */
  readonly minTokens: number;
  /** The engine goes on behind a token that would end the choice, up to `maxTokens`. Neutral: false. */
  readonly ignoreEos: boolean;
}

export type SamplingOption = keyof SamplingOptions;

export const NEUTRAL: SamplingOptions = Object.freeze({
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: new Map(),
  minTokens: 0,
  ignoreEos: false,
});

/** Names in a request. */
export const FIELDS: Readonly<Record<SamplingOption, string>> = {
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  repetitionPenalty: 'repetition_penalty',
  logitBias: 'logit_bias',
  minTokens: 'min_tokens',
  ignoreEos: 'ignore_eos',
};
export const SAMPLING_OPTIONS = Object.keys(FIELDS) as readonly SamplingOption[];

/** OpenAI says no limit. More would be copied for each token. */
const MAX_BIASES = 1024;
/** Beyond it llama.cpp's 32 bits would wrap. */
const MAX_INT32 = 2 ** 31 - 1;
/** Of llama.cpp's server. */
const REPEAT_PENALTY = 'repeat_penalty';

/** @throws BadRequest */
export function parseSampling(fields: Fields, maxTokens: number): SamplingOptions {
  const number = (option: SamplingOption, from: number, to: number): number =>
    numberOf(fields, FIELDS[option], from, to) ?? (NEUTRAL[option] as number);
  const topK = integerOf(fields, FIELDS.topK, -1, MAX_INT32, ': -1 and 0 are all tokens') ?? 0;
  return {
    topP: number('topP', 0, 1),
    topK: Math.max(topK, 0),
    minP: number('minP', 0, 1),
    frequencyPenalty: number('frequencyPenalty', -2, 2),
    presencePenalty: number('presencePenalty', -2, 2),
    repetitionPenalty: repetitionPenalty(fields),
    logitBias: logitBias(fields[FIELDS.logitBias]),
    minTokens: integerOf(fields, FIELDS.minTokens, 0, maxTokens, ' (max_tokens)') ?? 0,
    ignoreEos: booleanOf(fields, FIELDS.ignoreEos) ?? false,
  };
}

/** The fields of a request again, without what is neutral. */
export function samplingFields(sampling: SamplingOptions): Fields {
  return Object.fromEntries(
    SAMPLING_OPTIONS.filter((option) => !isNeutral(sampling, option)).map((option) => [
      FIELDS[option],
      option === 'logitBias' ? Object.fromEntries(sampling.logitBias) : sampling[option],
    ]),
  );
}

export const isNeutral = (sampling: SamplingOptions, option: SamplingOption): boolean =>
  option === 'logitBias' ? sampling.logitBias.size === 0 : sampling[option] === NEUTRAL[option];

/** Outside its limits a float of 32 bits becomes 0 or infinite. */
function repetitionPenalty(fields: Fields): number {
  const named = numberOf(fields, FIELDS.repetitionPenalty, 0.01, 100);
  const alias = numberOf(fields, REPEAT_PENALTY, 0.01, 100);
  if (named !== undefined && alias !== undefined && named !== alias)
    throw new BadRequest(REPEAT_PENALTY, `nothing beside ${FIELDS.repetitionPenalty}, or the same`, alias);
  return named ?? alias ?? NEUTRAL.repetitionPenalty;
}

function logitBias(value: unknown): ReadonlyMap<number, number> {
  if (value === undefined || value === null) return NEUTRAL.logitBias;
  const name = FIELDS.logitBias;
  if (typeof value !== 'object' || (Array.isArray(value) && value.length > 0))
    throw new BadRequest(name, 'an object of token ids with a number from -100 to 100 each', value);
  const entries = Object.entries(value);
  if (entries.length > MAX_BIASES)
    throw new BadRequest(name, `at most ${MAX_BIASES} token ids`, entries.length);
  const biases = new Map<number, number>();
  for (const [key, bias] of entries) {
    // Numbers that are written otherwise, as 1e3 or 007, may mean two entries for one token.
    if (!/^(0|[1-9]\d{0,9})$/.test(key) || Number(key) > MAX_INT32)
      throw new BadRequest(name, 'token ids as keys', key);
    if (!isWithin(bias, -100, 100))
      throw new BadRequest(`${name}[${key}]`, 'a number from -100 to 100', bias);
    if (bias !== 0) biases.set(Number(key), bias);
  }
  return biases;
}
