/** One request at a worker: the engine's tokens as frames for a frontend, or as OpenAI's events or answer for anyone else. */
import type { ServerResponse } from 'node:http';
import { createAssembler } from '../fleet/assembler.js';
import type { FinishReason } from '../fleet/types.js';
import type { ServedEndpoint } from '../lifecycle/serve.js';
import { encodeFrame, FRAMES_TYPE } from '../wire/frames.js';
import type { Engine, GenerateRequest, PromptInfo, TokenFrame } from './engine.js';
import { isMeant, messageOf, outcomeOf, refuse } from './failure.js';
import { sendJson } from './http-body.js';
import { type AnsweredChoice, answerBody, createEventWriter } from './openai.js';
import type { CompletionRequest } from './request.js';

export interface WorkerCall {
  readonly engine: Engine;
  readonly endpoint: ServedEndpoint<GenerateRequest, TokenFrame>;
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

export async function answerFrames(call: WorkerCall, response: ServerResponse): Promise<void> {
  const { request } = call;
  const prompt = await promptOf(call);
  const { info } = prompt;
  const frames = open(call, request.choice, prompt);
  let length = request.generated.length;
  try {
    // Nothing is promised before the first token: a refusal is still a status.
    let next = await frames.next();
    response.writeHead(200, { 'Content-Type': FRAMES_TYPE, 'Cache-Control': 'no-store' });
    response.write(encodeFrame({ type: 'prompt', tokens: info.tokens, ids: info.ids }));
    for (; !next.done && !response.destroyed; next = await frames.next()) {
      const { seq, tokenId, bytes } = next.value;
      length = seq + 1;
      if (!response.write(encodeFrame({ type: 'token', seq, tokenId, bytes }))) await drained(response);
    }
    response.end(encodeFrame({ type: 'finish', reason: reasonOf(request, length), length }));
  } catch (error) {
    if (response.headersSent && isWanted(call, error)) {
      response.end(encodeFrame({ type: 'finish', reason: 'stop', length }));
      return;
    }
    if (!isMeant(error)) call.report(error);
    if (!response.headersSent) return refuse(response, error);
    response.end(encodeFrame({ type: 'error', outcome: outcomeOf(error), message: messageOf(error) }));
  }
}

export async function answerOpenAi(call: WorkerCall, response: ServerResponse): Promise<void> {
  const { engine, request, id } = call;
  const prompt = await promptOf(call);
  const { info } = prompt;
  const context = {
    ...{ id, model: engine.model, created: Math.floor(Date.now() / 1000), isChat: request.isChat },
    ...(request.returnTokenIds && info.ids !== null ? { promptIds: info.ids } : {}),
  };
  const events = request.stream ? createEventWriter(context) : null;
  const answered: AnsweredChoice[] = [];
  let completionTokens = 0;
  // One choice that fails ends the answer, and with it the others.
  const failed = new AbortController();
  const signal = AbortSignal.any([call.signal, failed.signal]);

  async function choice(index: number): Promise<void> {
    const assembler = createAssembler({ stop: request.stop });
    let length = request.generated.length;
    let whole = '';
    const ids = request.returnTokenIds ? createIdCollector() : null;
    const put = (text: string): void => {
      if (text === '') return;
      if (events === null) whole += text;
      else response.write(events.text(index, text, ids?.take()));
    };
    for await (const { bytes, tokenId } of untilStopped(call, open({ ...call, signal }, index, prompt))) {
      // It has had its end, and nothing may be written behind that: the error of such a write would end the process.
      if (failed.signal.aborted) return;
      if (events !== null && !response.headersSent) writeHead(response);
      length += 1;
      completionTokens += 1;
      ids?.add(tokenId);
      put(assembler.push(bytes));
      if (assembler.isStopped || response.destroyed) break;
      if (response.writableNeedDrain) await drained(response);
    }
    if (failed.signal.aborted) return;
    const { text, reason } = assembler.end(reasonOf(request, length));
    put(text);
    const tokenIds = ids?.take();
    answered[index] = { text: whole, reason, ...(tokenIds === undefined ? {} : { tokenIds }) };
    if (events !== null) {
      if (!response.headersSent) writeHead(response);
      response.write(events.choiceEnd(index, reason, tokenIds));
    }
  }

  try {
    await Promise.all(Array.from({ length: request.choices }, (_, index) => choice(index)));
  } catch (error) {
    failed.abort();
    if (!isMeant(error)) call.report(error);
    if (!response.headersSent) return refuse(response, error);
    // An answer that ended without a word would be taken for a whole one.
    response.end(events?.error({ status: 500, type: 'server_error', message: messageOf(error) }));
    return;
  }
  const usage = { promptTokens: info.tokens, completionTokens };
  if (events === null) return sendJson(response, 200, answerBody(context, answered, usage));
  if (request.includeUsage) response.write(events.usage(usage));
  response.end(events.done);
}

interface Prompt {
  readonly text: string | readonly number[];
  readonly info: PromptInfo;
}

/** A chat by the engine's own template where it has one. */
async function promptOf({ engine, request }: WorkerCall): Promise<Prompt> {
  const { messages } = request;
  const text =
    messages !== null && engine.chatPrompt !== undefined ? await engine.chatPrompt(messages) : request.prompt;
  return { text, info: await engine.prompt(text) };
}

/** Whether it is the end that was asked for: engines throw the signal's reason, or what an aborted call throws. */
function isWanted(call: WorkerCall, error: unknown): boolean {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return call.isStopped() && (code === 'ERR_CANCELLED' || name === 'AbortError');
}

/** What was there before the stop is a whole answer; without a token there is none. */
async function* untilStopped(
  call: WorkerCall,
  frames: AsyncIterableIterator<TokenFrame>,
): AsyncGenerator<TokenFrame> {
  let hasToken = false;
  try {
    for await (const frame of frames) {
      hasToken = true;
      yield frame;
    }
  } catch (error) {
    if (!hasToken || !isWanted(call, error)) throw error;
  }
}

/** Ids of tokens until somebody takes them: their text may come later, or together. */
function createIdCollector(): { add(id: number): void; take(): readonly number[] } {
  let ids: number[] = [];
  return {
    add: (id) => void ids.push(id),
    take() {
      const taken = ids;
      ids = [];
      return taken;
    },
  };
}

function open(
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
  };
  return endpoint.call(generate, { signal, bytes, deadlineMs, ...(request.choices === 1 ? { id } : {}) });
}

export function writeHead(response: ServerResponse): void {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
  });
}

const reasonOf = ({ maxTokens }: CompletionRequest, length: number): FinishReason =>
  length >= maxTokens ? 'length' : 'stop';

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    // What is closed already closes no more.
    if (response.destroyed) return resolve();
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
