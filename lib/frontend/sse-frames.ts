/** Events of an OpenAI stream as frames, with positions of their own where the server gives none. */
import type { FinishReason, Outcome } from '../fleet/types.js';
import type { OtherFrame } from '../wire/frame-reader.js';
import { FrameError, isTokenIds } from '../wire/frames.js';

export interface ForeignUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface SsePorts {
  token(seq: number, tokenId: number, bytes: Uint8Array): void;
  frame(frame: Exclude<OtherFrame, { readonly type: 'error' }>): void;
  usage(usage: ForeignUsage): void;
  failed(outcome: Outcome, message: string): void;
  /** The last token has come; what follows are the usage and the end. */
  finishing(): void;
}

export interface SseFrames {
  /** One line of the body. @throws FrameError for what is no event of that API */
  line(line: string): void;
  /** The body has ended. False: without a finish. */
  end(): boolean;
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content_filter',
  eos_token: 'stop',
};
const encoder = new TextEncoder();

/**
 * With token ids a token of the log is one of the engine's, and one whose text is not complete yet waits for the next one: a
 * replay from there would lose half a character. Without them a token of the log is a piece of text that does not end in white
 * space: servers cut white space at the end of what they are to go on with.
 * @param firstSeq position of the first token that comes
 */
export function createSseFrames(firstSeq: number, ports: SsePorts): SseFrames {
  let seq = firstSeq;
  const pendingIds: number[] = [];
  let heldText = '';
  let hasPrompt = false;
  let reason: string | null = null;
  let isOver = false;

  function put(tokenId: number, text: string): void {
    ports.token(seq, tokenId, encoder.encode(text));
    seq += 1;
  }

  function take(text: string, ids: readonly number[] | null, isLast: boolean): void {
    if (ids !== null) pendingIds.push(...ids);
    if (ids !== null || pendingIds.length > 0) {
      if (text === '' && !isLast) return;
      const [last] = pendingIds.splice(-1);
      for (const id of pendingIds.splice(0)) put(id, '');
      if (last !== undefined) put(last, text);
      return;
    }
    const all = heldText + text;
    const end = isLast ? all.length : all.trimEnd().length;
    heldText = all.slice(end);
    if (end > 0) put(-1, all.slice(0, end));
  }

  function event(value: ForeignEvent): void {
    if (value.error !== undefined && value.error !== null) {
      const message = typeof value.error === 'object' ? value.error.message : value.error;
      isOver = true;
      ports.failed('engine_error', String(message ?? 'the engine failed'));
      return;
    }
    const [choice] = value.choices ?? [];
    const promptIds = value.prompt_token_ids ?? choice?.prompt_token_ids;
    if (!hasPrompt && firstSeq === 0 && isTokenIds(promptIds)) {
      hasPrompt = true;
      ports.frame({ type: 'prompt', tokens: promptIds.length, ids: promptIds });
    }
    if (choice !== undefined) piece(choice);
    const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = value.usage ?? {};
    if (typeof promptTokens === 'number' && typeof completionTokens === 'number')
      ports.usage({ promptTokens, completionTokens });
  }

  function piece(choice: ForeignChoice): void {
    const { delta } = choice;
    const unknown = ['tool_calls', 'function_call', 'reasoning_content', 'reasoning'].find((key) => {
      const part = delta?.[key];
      return (
        part !== undefined && part !== null && part !== '' && !(Array.isArray(part) && part.length === 0)
      );
    });
    if (unknown !== undefined) {
      isOver = true;
      ports.failed(
        'unsupported',
        `the engine sends ${unknown}, which is passed on only where the request asks for tools`,
      );
      return;
    }
    const text = delta === undefined ? choice.text : delta.content;
    const isLast = typeof choice.finish_reason === 'string';
    const ids = isTokenIds(choice.token_ids) ? choice.token_ids : null;
    if (typeof text === 'string' || ids !== null || isLast)
      take(typeof text === 'string' ? text : '', ids, isLast);
    if (!isLast) {
      ports.frame({ type: 'progress' });
      return;
    }
    reason = choice.finish_reason as string;
    ports.finishing();
  }

  function finish(): void {
    if (isOver || reason === null) return;
    isOver = true;
    // A server that shuts down ends what it runs with this.
    if (reason === 'abort') ports.failed('shutdown', 'the engine aborted the request');
    else ports.frame({ type: 'finish', reason: REASONS[reason] ?? 'stop', length: seq });
  }

  return {
    line(line) {
      if (isOver || !line.startsWith('data:')) return;
      const data = line.slice('data:'.length).trim();
      if (data === '[DONE]') finish();
      else event(parse(data));
    },
    end() {
      finish();
      return isOver;
    },
  };
}

interface ForeignChoice {
  readonly text?: unknown;
  readonly delta?: Readonly<Record<string, unknown>>;
  readonly finish_reason?: unknown;
  readonly token_ids?: unknown;
  readonly prompt_token_ids?: unknown;
}

interface ForeignEvent {
  readonly error?: { readonly message?: unknown } | string | null;
  readonly choices?: readonly ForeignChoice[];
  readonly usage?: { readonly prompt_tokens?: unknown; readonly completion_tokens?: unknown } | null;
  readonly prompt_token_ids?: unknown;
}

function parse(data: string): ForeignEvent {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    value = null;
  }
  const { choices } = (value ?? {}) as { choices?: unknown };
  if (typeof value !== 'object' || value === null || (choices !== undefined && !Array.isArray(choices)))
    throw new FrameError(`expected an event, got ${data.slice(0, 100)}`);
  return value as ForeignEvent;
}
