/** One request at a worker, from its prompt to the engine's tokens; how they are answered is elsewhere. */
import type { FinishReason } from '../fleet/types.js';
import type { ServedEndpoint } from '../lifecycle/serve.js';
import type { ActiveTokens, TokenShare } from './active-tokens.js';
import type { Engine, GenerateRequest, PromptInfo, TokenFrame } from './engine.js';
import type { CompletionRequest } from './request.js';

export interface WorkerCall {
  readonly engine: Engine;
  readonly endpoint: ServedEndpoint<GenerateRequest, TokenFrame>;
  readonly active: ActiveTokens;
  readonly request: CompletionRequest;
  readonly id: string;
  readonly bytes: number;
  readonly signal: AbortSignal;
  /** Milliseconds; Infinity: none. */
  readonly deadlineMs: number;
  /** Somebody wants it to end early, and well. */
  isStopped(): boolean;
  /** What went wrong in full, where the client is told less. */
  report(error: unknown): void;
}

export interface Prompt {
  readonly text: string | readonly number[];
  readonly info: PromptInfo;
}

/** A chat by the engine's own template where it has one. */
export async function promptOf({ engine, request }: WorkerCall): Promise<Prompt> {
  const { messages } = request;
  const text =
    messages !== null && engine.chatPrompt !== undefined ? await engine.chatPrompt(messages) : request.prompt;
  return { text, info: await engine.prompt(text) };
}

/** Whether it is the end that was asked for: engines throw the signal's reason, or what an aborted call throws. */
export function isWanted(call: WorkerCall, error: unknown): boolean {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return call.isStopped() && (code === 'ERR_CANCELLED' || name === 'AbortError');
}

export function openChoice(
  { endpoint, request, id, bytes, signal, deadlineMs }: WorkerCall,
  choice: number,
  { text, info }: Prompt,
): AsyncIterableIterator<TokenFrame> {
  const generate: GenerateRequest = {
    prompt: info.ids ?? text,
    generated: request.generated,
    maxTokens: request.maxTokens,
    temperature: request.temperature,
    seed: request.seed,
    choice,
    ...request.sampling,
  };
  return endpoint.call(generate, { signal, bytes, deadlineMs, ...(request.choices === 1 ? { id } : {}) });
}

/** Of one choice, from before it may have to wait. */
export const shareOf = ({ active, request }: WorkerCall, { info }: Prompt): TokenShare =>
  active.begin(
    info.tokens + request.generated.length,
    Math.max(0, request.maxTokens - request.generated.length),
  );

export const reasonOf = ({ maxTokens }: CompletionRequest, length: number): FinishReason =>
  length >= maxTokens ? 'length' : 'stop';
