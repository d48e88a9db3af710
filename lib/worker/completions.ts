/** The engine's tokens as OpenAI's events, or as one answer. */
import type { ServerResponse } from 'node:http';
import { createAssembler } from '../fleet/assembler.js';
import { drained } from '../wire/drained.js';
import type { TokenShare } from './active-tokens.js';
import type { TokenFrame } from './engine.js';
import { isMeant, messageOf, refuse } from './failure.js';
import { sendJson } from './http-body.js';
import { type AnsweredChoice, answerBody, createEventWriter } from './openai.js';
import { isWanted, openChoice, promptOf, reasonOf, shareOf, type WorkerCall } from './worker-call.js';

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

  async function choice(index: number, share: TokenShare): Promise<void> {
    const assembler = createAssembler({ stop: request.stop });
    let length = request.generated.length;
    let whole = '';
    const ids = request.returnTokenIds ? createIdCollector() : null;
    const put = (text: string): void => {
      if (text === '') return;
      if (events === null) whole += text;
      else response.write(events.text(index, text, ids?.take()));
    };
    for await (const { bytes, tokenId } of untilStopped(
      call,
      openChoice({ ...call, signal }, index, prompt),
    )) {
      // It has had its end, and nothing may be written behind that: the error of such a write would end the process.
      if (failed.signal.aborted) return;
      if (events !== null && !response.headersSent) writeHead(response);
      length += 1;
      completionTokens += 1;
      share.token();
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
    await Promise.all(
      Array.from({ length: request.choices }, (_, index) => {
        const share = shareOf(call, prompt);
        return choice(index, share).finally(share.end);
      }),
    );
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

export function writeHead(response: ServerResponse): void {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache',
    'X-Accel-Buffering': 'no',
  });
}
