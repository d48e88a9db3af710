import type { RequestScope } from '../lifecycle/active-scopes.js';
import type { ChatMessage } from './chat.js';
import type { SamplingOption, SamplingOptions } from './sampling.js';

/** One generated token. */
export interface TokenFrame {
  /** Absolute position in the choice, from 0; the first one of a replay is the number of replayed tokens. */
  readonly seq: number;
  readonly tokenId: number;
  /** Its text as bytes: a character may be spread over several tokens. */
  readonly bytes: Uint8Array;
  /** Counted by the served endpoint. */
  readonly tokens?: 1;
}

/** What an engine is asked to generate; one choice. Options that it does not support are at their neutral values. */
export interface GenerateRequest extends SamplingOptions {
  /** Text, or the ids of the templated prompt as an earlier `prompt` said them. */
  readonly prompt: string | readonly number[];
  /** Tokens that were generated already, here or elsewhere; generation goes on behind them. */
  readonly generated: readonly number[];
  /** Of the whole choice, replayed tokens included. */
  readonly maxTokens: number;
  readonly temperature: number;
  /** For random numbers that depend on seed, choice and position alone; null: the engine's own. */
  readonly seed: number | null;
  readonly choice: number;
}

export interface PromptInfo {
  readonly tokens: number;
  /** Null: the engine does not tell; a replay then sends the text again. */
  readonly ids: readonly number[] | null;
}

export interface EngineFigures {
  /** Steps since its start; stands still when the engine hangs. */
  readonly step: number;
  readonly running: number;
  readonly waiting: number;
  /** Tokens that it has been given since its start; default: its steps. */
  readonly scheduledTokens?: number;
  /** Tokens of all requests that run or wait: prefill to do and decode to come. Default: by `maxTokens` of what is served. */
  readonly activeTokens?: number;
  readonly kvBlocksUsed?: number;
  readonly kvBlocksTotal?: number;
  /** How long the present step may take, milliseconds. */
  readonly expectedStepMs?: number;
  /** Tokens that wait for their prefill. */
  readonly prefillTokens?: number;
  /** Tokens of one batch at most. */
  readonly maxBatchedTokens?: number;
}

/** What `serveWorker` serves. */
export interface Engine {
  /** Name under `/v1/models`. */
  readonly model: string;
  /** Tokens after which the engine ends by itself, for a frontend that has to know when only the finish is lost. */
  readonly endTokens?: readonly number[];
  /**
   * The sampling options that `generate` honours; a request with another one is refused with 400, by its name. Default: none.
   * In a replay penalties count `generated` as tokens that were generated, and `prompt` as the prompt.
   */
  readonly supports?: readonly SamplingOption[];
  /** Throws an error with `outcome: 'invalid'` for values that it cannot do together, or for ids that its vocabulary has not. */
  checkSampling?(sampling: SamplingOptions): void;
  prompt(prompt: string | readonly number[]): PromptInfo | Promise<PromptInfo>;
  /**
   * A chat by the model's own template, up to where the assistant's answer begins: text, or ids that `prompt` takes. Without it
   * chats are written as `role: text` lines. An error with `outcome: 'invalid'`: the template does not take these messages.
   */
  chatPrompt?(
    messages: readonly ChatMessage[],
  ): string | readonly number[] | Promise<string | readonly number[]>;
  /**
   * Tokens in order. It ends when the engine ends the choice or `maxTokens` are reached. What it throws ends the attempt: an
   * error with a string `outcome` says how (`numerical`, `reset` …), any other counts as `engine_error`.
   */
  generate(request: GenerateRequest, scope: RequestScope): AsyncIterable<TokenFrame>;
  figures(): EngineFigures;
}
