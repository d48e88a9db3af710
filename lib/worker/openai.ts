/** OpenAI's shapes of answers, events and errors; the same from a worker and from a frontend. */
import type { FinishReason } from '../fleet/types.js';

export interface OpenAiContext {
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly isChat: boolean;
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
  text(choice: number, text: string): string;
  choiceEnd(choice: number, reason: FinishReason): string;
  usage(usage: OpenAiUsage): string;
  error(error: OpenAiError): string;
  readonly done: string;
}

export function createEventWriter({ id, model, created, isChat }: OpenAiContext): EventWriter {
  const begun = new Set<number>();
  /** The first piece of a message says whose it is. */
  const role = (choice: number): string => {
    if (begun.has(choice)) return '';
    begun.add(choice);
    return '"role":"assistant",';
  };
  const object = isChat ? 'chat.completion.chunk' : 'text_completion';
  const head = `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${created},"model":${JSON.stringify(model)},"choices":[`;
  return {
    text(choice, text) {
      const quoted = JSON.stringify(text);
      const body = isChat
        ? `{"index":${choice},"delta":{${role(choice)}"content":${quoted}},"finish_reason":null}`
        : `{"index":${choice},"text":${quoted},"finish_reason":null}`;
      return `${head}${body}]}\n\n`;
    },
    choiceEnd(choice, reason) {
      const empty = isChat ? '"delta":{}' : '"text":""';
      return `${head}{"index":${choice},${empty},"finish_reason":"${finishReason(reason)}"}]}\n\n`;
    },
    usage: (usage) => `${head}],"usage":${JSON.stringify(usageOf(usage))}}\n\n`,
    error: (error) => `data: ${JSON.stringify(errorBody(error))}\n\n`,
    done: 'data: [DONE]\n\n',
  };
}

export interface AnsweredChoice {
  readonly text: string;
  readonly reason: FinishReason;
}

export function answerBody(
  { id, model, created, isChat }: OpenAiContext,
  choices: readonly AnsweredChoice[],
  usage: OpenAiUsage,
): string {
  return JSON.stringify({
    id,
    object: isChat ? 'chat.completion' : 'text_completion',
    created,
    model,
    choices: choices.map(({ text, reason }, index) => ({
      index,
      ...(isChat ? { message: { role: 'assistant', content: text } } : { text }),
      logprobs: null,
      finish_reason: finishReason(reason),
    })),
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
