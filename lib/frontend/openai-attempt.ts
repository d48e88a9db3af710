/** One attempt at a server of somebody else: the request in its form, with what is there already, and its events as frames. */

import type { Dispatcher } from 'undici';
import { createLineSplitter } from '../wire/lines.js';
import type { Attempt, AttemptPorts, AttemptRequest } from './attempt.js';
import type { Reservation } from './pool.js';
import { PROBLEM_TEXTS, problemOf, type WorkerProblem } from './problem.js';
import { type AttemptFailure, outcomeOf, refusal } from './refusal.js';
import { createSseFrames, type ForeignUsage } from './sse-frames.js';
import { continuesFinalMessage, type ForeignEngine, speaksTokenIds } from './worker-url.js';

export interface OpenAiAttemptPorts extends AttemptPorts {
  /** Of this attempt alone, as its server counts. */
  usage(usage: ForeignUsage): void;
}

/** After its finish a stream has its usage and its end to say, and no more time for it than this. */
const END_LIMIT_MS = 1000;
/** More of a refusal nobody reads. */
const MAX_REFUSAL = 64 * 1024;

export function startOpenAiAttempt(
  reservation: Reservation,
  engine: ForeignEngine,
  attempt: AttemptRequest & { readonly text: string },
  ports: OpenAiAttemptPorts,
): Attempt {
  const killed = new AbortController();
  let hasEnded = false;
  let endTimer: NodeJS.Timeout | undefined;
  let atMs = 0;
  let tokens = 0;

  const fail = (failure: AttemptFailure): void => {
    if (hasEnded || killed.signal.aborted) return;
    hasEnded = true;
    ports.failed(failure);
  };

  /** Neither the request's fault nor one that goes away: the worker is out until it has been put right. */
  function blame(problem: WorkerProblem): void {
    if (hasEnded || killed.signal.aborted) return;
    reservation.refused(problem);
    fail({ outcome: 'overloaded', message: PROBLEM_TEXTS[problem] });
  }

  const events = createSseFrames(attempt.generated.length, {
    token(seq, tokenId, bytes) {
      if (hasEnded || killed.signal.aborted) return;
      tokens += 1;
      ports.token(atMs, seq, tokenId, bytes);
    },
    frame(frame) {
      if (hasEnded || killed.signal.aborted) return;
      if (frame.type === 'finish') hasEnded = true;
      ports.frame(atMs, frame);
    },
    usage(usage) {
      if (!hasEnded && !killed.signal.aborted) ports.usage(usage);
    },
    failed: (outcome, message) => fail({ outcome, message }),
    finishing() {
      endTimer ??= setTimeout(() => {
        finish();
        killed.abort();
      }, END_LIMIT_MS);
    },
  });

  /** False: there is nothing to finish with. */
  function finish(): boolean {
    atMs = ports.now();
    const isFinished = events.end();
    ports.turn();
    return isFinished;
  }

  async function run(): Promise<void> {
    const sent = bodyOf(engine, attempt);
    if (typeof sent === 'string') {
      // Not in the turn of the dispatch: whoever starts an attempt does not expect its end at once.
      await Promise.resolve();
      return fail({ outcome: 'unsupported', message: sent });
    }
    const { statusCode, headers, body } = await reservation.http.request({
      path: sent.path,
      method: 'POST',
      signal: killed.signal,
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        'x-request-id': attempt.id,
        ...(attempt.traceparent === null ? {} : { traceparent: attempt.traceparent }),
      },
      body: JSON.stringify(sent.body),
    });
    if (statusCode === 401) return blame('token');
    if (statusCode !== 200) return fail(refusal(statusCode, headers, await readRefusal(body)));
    const split = createLineSplitter((line) => {
      if (!hasEnded && !killed.signal.aborted) events.line(line);
    });
    for await (const chunk of body) {
      atMs = ports.now();
      tokens = 0;
      split(chunk as Uint8Array);
      if (tokens > 0) reservation.tokens(atMs, tokens);
      ports.turn();
    }
    if (!finish()) fail({ outcome: 'truncated', message: 'the stream ended without a finish' });
  }

  run()
    .catch((error: Error & { code?: string }) => {
      const problem = problemOf(error);
      if (problem !== null) blame(problem);
      else fail({ outcome: outcomeOf(error), message: error.message });
    })
    .finally(() => {
      clearTimeout(endTimer);
      killed.abort();
    });
  return { kill: () => killed.abort() };
}

async function readRefusal(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += String(chunk);
    if (text.length > MAX_REFUSAL) break;
  }
  return text;
}

/** A text instead: why this engine cannot go on with it. */
function bodyOf(
  engine: ForeignEngine,
  { request, prompt, generated, choice, text }: AttemptRequest & { readonly text: string },
): { readonly path: string; readonly body: object } | string {
  const { model, maxTokens, temperature, seed, messages, extra } = request;
  const length = generated.length;
  const common = {
    ...extra,
    ...(model === null ? {} : { model }),
    ...{ max_tokens: maxTokens - length, temperature, stream: true, stream_options: { include_usage: true } },
    // Not the numbers again that the lost tokens were drawn with.
    ...(seed === null ? {} : { seed: seed + choice + length }),
    ...(speaksTokenIds(engine) ? { return_token_ids: true } : {}),
  };
  const completion = (whole: unknown) => ({ path: '/v1/completions', body: { ...common, prompt: whole } });
  if (typeof prompt !== 'string') {
    if (!generated.includes(-1)) return completion([...prompt, ...generated]);
    return 'the prompt is of token ids, and the engine tells none of what it generated';
  }
  if (messages === null) return completion(prompt + text);
  const chat = (body: object) => ({ path: '/v1/chat/completions', body: { ...common, ...body } });
  if (length === 0) return chat({ messages });
  if (!continuesFinalMessage(engine)) return 'this engine is not known to go on in the middle of a message';
  return chat({
    messages: [...messages, { role: 'assistant', content: text }],
    ...{ continue_final_message: true, add_generation_prompt: false },
  });
}
