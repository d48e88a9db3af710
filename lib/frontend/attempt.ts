/** One attempt at a worker: sends the request, hands on frames, and says once how it ended. */
import { util } from 'undici';
import { createFrameReader, type OtherFrame } from '../wire/frame-reader.js';
import { FRAMES_TYPE, FrameError } from '../wire/frames.js';
import { timeoutHeader } from '../wire/timeout-header.js';
import type { CompletionRequest } from '../worker/request.js';
import { samplingFields } from '../worker/sampling.js';
import type { Reservation } from './pool.js';
import { PROBLEM_TEXTS, problemOf, type WorkerProblem } from './problem.js';
import { type AttemptFailure, type Headers, outcomeOf, refusal } from './refusal.js';

export interface AttemptPorts {
  now(): number;
  /** @param bytes valid only until it returns */
  token(atMs: number, seq: number, tokenId: number, bytes: Uint8Array): void;
  frame(atMs: number, frame: Exclude<OtherFrame, { readonly type: 'error' }>): void;
  /** All that has come at once has been handed on. */
  turn(): void;
  /** Not after `kill`. */
  failed(failure: AttemptFailure): void;
}

export interface Attempt {
  kill(): void;
}

export interface AttemptRequest {
  readonly id: string;
  readonly request: CompletionRequest;
  readonly prompt: string | readonly number[];
  readonly generated: Int32Array;
  readonly choice: number;
  /** Passed on as it came; null: none. */
  readonly traceparent: string | null;
  /** Monotonic milliseconds by which it is to have ended; Infinity: at any time. */
  readonly deadlineMs: number;
}

/** What follows a finish is nothing but the end of the body; a connection over which that does not come is not kept. */
const END_LIMIT_MS = 1000;
/** More of a refusal nobody reads. */
const MAX_REFUSAL = 64 * 1024;

export function startAttempt(
  reservation: Reservation,
  attempt: AttemptRequest,
  ports: AttemptPorts,
): Attempt {
  let isKilled = false;
  let hasEnded = false;
  let abort: (() => void) | null = null;
  let endTimer: NodeJS.Timeout | undefined;
  let refused: { readonly status: number; readonly headers: Headers } | null = null;
  let refusalText = '';
  let atMs = 0;
  let tokens = 0;

  function kill(): void {
    isKilled = true;
    abort?.();
  }

  function fail(failure: AttemptFailure): void {
    if (hasEnded || isKilled) return;
    hasEnded = true;
    ports.failed(failure);
  }

  function refuse(): void {
    if (refused === null) return;
    const { status, headers } = refused;
    if (status === 401) blame('token');
    else fail(refusal(status, headers, refusalText));
  }

  /** Neither the request's fault nor one that goes away: the worker is out until it has been put right. */
  function blame(problem: WorkerProblem): void {
    if (hasEnded || isKilled) return;
    reservation.refused(problem);
    fail({ outcome: 'overloaded', message: PROBLEM_TEXTS[problem] });
  }

  function breakOff(error: Error): void {
    const problem = problemOf(error);
    if (problem !== null) blame(problem);
    else fail({ outcome: outcomeOf(error), message: error.message });
  }

  const read = createFrameReader({
    token(seq, tokenId, bytes) {
      if (hasEnded || isKilled) return;
      tokens += 1;
      ports.token(atMs, seq, tokenId, bytes);
    },
    frame(frame) {
      if (hasEnded || isKilled) return;
      if (frame.type === 'error') return fail({ outcome: frame.outcome, message: frame.message });
      if (frame.type === 'finish') {
        hasEnded = true;
        endTimer = setTimeout(kill, END_LIMIT_MS);
      }
      ports.frame(atMs, frame);
    },
  });

  // Not `request()`: its stream and its promises cost more than what is done with a token.
  reservation.http.dispatch(
    {
      path: isUntemplated(attempt) ? '/v1/chat/completions' : '/v1/completions',
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: FRAMES_TYPE,
        'x-request-id': attempt.id,
        ...(attempt.traceparent === null ? {} : { traceparent: attempt.traceparent }),
        ...timeoutHeader(attempt.deadlineMs - ports.now()),
      },
      body: bodyOf(attempt),
    },
    {
      onConnect(end) {
        abort = end;
        if (isKilled) end();
      },
      onHeaders(status, raw) {
        if (status >= 200 && status !== 200)
          refused = { status, headers: util.parseHeaders((raw ?? []) as Buffer[]) };
        return true;
      },
      onData(chunk) {
        if (refused !== null) {
          refusalText += String(chunk);
          if (refusalText.length <= MAX_REFUSAL) return true;
          refuse();
          kill();
          return true;
        }
        atMs = ports.now();
        tokens = 0;
        try {
          read(chunk);
        } catch (error) {
          if (!(error instanceof FrameError)) throw error;
          fail({ outcome: 'engine_error', message: error.message });
        }
        if (tokens > 0) reservation.tokens(atMs, tokens);
        ports.turn();
        // Lets go of the connection of an attempt that failed in the middle of its body.
        if (hasEnded && endTimer === undefined) kill();
        return true;
      },
      onComplete() {
        clearTimeout(endTimer);
        refuse();
        fail({ outcome: 'truncated', message: 'the stream ended without a finish' });
      },
      onError(error) {
        clearTimeout(endTimer);
        // It may come before `dispatch` has returned, and nobody expects a failure by then.
        queueMicrotask(() => breakOff(error));
      },
    },
  );
  return { kill };
}

/** A chat goes as messages, until a worker has said what its template makes of them. */
const isUntemplated = ({ request, prompt }: AttemptRequest): boolean =>
  request.messages !== null && prompt === request.prompt;

function bodyOf(attempt: AttemptRequest): string {
  const { request, prompt, generated, choice } = attempt;
  const { model, maxTokens, temperature, seed, sampling, messages } = request;
  return JSON.stringify({
    ...(model === null ? {} : { model }),
    ...(isUntemplated(attempt) ? { messages } : { prompt }),
    max_tokens: maxTokens,
    temperature,
    ...(seed === null ? {} : { seed }),
    ...samplingFields(sampling),
    generated: [...generated],
    choice,
  });
}
