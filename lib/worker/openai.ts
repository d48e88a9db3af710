/** OpenAI's shapes of answers, events and errors; the same from a worker and from a frontend. */
import type { FinishReason } from '../fleet/types.js';

export interface OpenAiContext {
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly isChat: boolean;
  /** Told with the first piece, as vLLM does under `return_token_ids`. Default: not told. */
  readonly promptIds?: readonly number[];
}

export interface OpenAiUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** OpenAI's names; what it has none for ends as `stop` would, and a cancel has nobody left to read it. */
function finishReason(reason: FinishReason): string {
  return reason === 'cancelled' || reason === 'error' ? 'stop' : reason;
}

function usageOf({ promptTokens, completionTokens }: OpenAiUsage): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/**
 * Events of one stream. What does not change is rendered once: there is an event for every token.
 */
export interface EventWriter {
  /** @param tokenIds under `return_token_ids`: the tokens since the last piece */
  text(choice: number, text: string, tokenIds?: readonly number[]): string;
  choiceEnd(choice: number, reason: FinishReason, tokenIds?: readonly number[]): string;
  usage(usage: OpenAiUsage): string;
  error(error: OpenAiError): string;
  readonly done: string;
}

export function createEventWriter({ id, model, created, isChat, promptIds }: OpenAiContext): EventWriter {
  const begun = new Set<number>();
  /** The first piece of a message says whose it is. */
  const role = (choice: number): string => {
    if (begun.has(choice)) return '';
    begun.add(choice);
    return '"role":"assistant",';
  };
  const object = isChat ? 'chat.completion.chunk' : 'text_completion';
  const head = `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${created},"model":${JSON.stringify(model)},"choices":[`;
  const told = new Set<number>();
  /** Of a completion with each choice, of a chat once beside the choices. */
  const ids = (choice: number, tokenIds: readonly number[] | undefined): readonly [string, string] => {
    if (tokenIds === undefined) return ['', ''];
    const isFirst = isChat ? told.size === 0 : !told.has(choice);
    told.add(choice);
    const prompt = isFirst && promptIds !== undefined ? `,"prompt_token_ids":[${promptIds.join(',')}]` : '';
    const own = `,"token_ids":[${tokenIds.join(',')}]`;
    return isChat ? [own, prompt] : [own + prompt, ''];
  };
  return {
    text(choice, text, tokenIds) {
      const quoted = JSON.stringify(text);
      const [own, beside] = ids(choice, tokenIds);
      const body = isChat
        ? `{"index":${choice},"delta":{${role(choice)}"content":${quoted}},"finish_reason":null${own}}`
        : `{"index":${choice},"text":${quoted},"finish_reason":null${own}}`;
      return `${head}${body}]${beside}}\n\n`;
    },
    choiceEnd(choice, reason, tokenIds) {
      const [own, beside] = ids(choice, tokenIds);
      const empty = isChat ? '"delta":{}' : '"text":""';
      return `${head}{"index":${choice},${empty},"finish_reason":"${finishReason(reason)}"${own}}]${beside}}\n\n`;
    },
    usage: (usage) => `${head}],"usage":${JSON.stringify(usageOf(usage))}}\n\n`,
    error: (error) => `data: ${JSON.stringify(errorBody(error))}\n\n`,
    done: 'data: [DONE]\n\n',
  };
}

export interface AnsweredChoice {
  readonly text: string;
  readonly reason: FinishReason;
  readonly tokenIds?: readonly number[];
}

export function answerBody(
  { id, model, created, isChat, promptIds }: OpenAiContext,
  choices: readonly AnsweredChoice[],
  usage: OpenAiUsage,
): string {
  return JSON.stringify({
    id,
    object: isChat ? 'chat.completion' : 'text_completion',
    created,
    model,
    choices: choices.map(({ text, reason, tokenIds }, index) => ({
      index,
      ...(isChat ? { message: { role: 'assistant', content: text } } : { text }),
      logprobs: null,
      finish_reason: finishReason(reason),
      ...(tokenIds === undefined ? {} : { token_ids: tokenIds }),
      ...(promptIds === undefined || isChat ? {} : { prompt_token_ids: promptIds }),
    })),
    ...(promptIds === undefined || !isChat ? {} : { prompt_token_ids: promptIds }),
    usage: usageOf(usage),
  });
}

export interface OpenAiError {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly param?: string;
  readonly code?: string;
}

export function errorBody({ type, message, param, code }: OpenAiError): object {
  return { error: { message, type, param: param ?? null, code: code ?? null } };
}

export function modelsBody(models: readonly string[], created: number): string {
  return JSON.stringify({
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created, owned_by: 'inference-health' })),
  });
}
