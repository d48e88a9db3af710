/** The attempts of one request at workers: what they are sent, and what becomes of what they say. */
import type { LogicalRequest, RequestOutput } from '../fleet/logical-request.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import { isSame } from '../fleet/worker-ref.js';
import { type Attempt, type AttemptPorts, type AttemptRequest, startAttempt } from './attempt.js';
import type { ForeignLog } from './foreign-log.js';
import { startOpenAiAttempt } from './openai-attempt.js';
import type { Reservation } from './pool.js';
import type { StreamPorts, StreamRequest } from './stream-types.js';
import { type ForeignEngine, speaksTokenIds } from './worker-url.js';

interface Running {
  readonly choice: number;
  readonly epoch: number;
  readonly reservation: Reservation;
  readonly attempt: Attempt;
  hasToken: boolean;
}

export interface StreamAttempts {
  /** Tokens of the prompt as the first worker has counted them; null: none has. */
  readonly toldTokens: number | null;
  /** What went wrong last. */
  readonly lastMessage: string;
  has(choice: number): boolean;
  start(choice: number, epoch: number, reservation: Reservation): void;
  kill(choice: number, epoch: number): void;
  /** It is over: the worker's record gets its outcome. */
  end(choice: number, epoch: number, outcome: Outcome): void;
  lost(ref: WorkerRef, outcome: Outcome, why: string): void;
  /** The engine there moved: who waits for a first token there has not been forgotten. */
  progress(ref: WorkerRef): void;
}

export function createStreamAttempts(
  { id, request, traceparent, deadlineMs = Number.POSITIVE_INFINITY }: StreamRequest,
  ports: Pick<StreamPorts, 'now' | 'random' | 'onToken' | 'onTurn'> & {
    readonly logical: LogicalRequest;
    readonly foreign: ForeignLog;
    take(output: RequestOutput): void;
    /** Timers are to be computed anew. */
    changed(): void;
  },
): StreamAttempts {
  const { now, random, logical, foreign, take, changed } = ports;
  const running = new Map<string, Running>();
  const keyOf = (choice: number, epoch: number): string => `${choice}:${epoch}`;
  let prompt = request.prompt;
  let toldTokens: number | null = null;
  let lastMessage = '';

  const progressOf = (choice: number, epoch: number, atMs: number): void => {
    changed();
    take(logical.step(choice, { type: 'progress', atMs, epoch }));
  };

  function start(choice: number, epoch: number, reservation: Reservation): void {
    const asked: AttemptRequest = {
      id: `${id}-${choice}-${epoch}`,
      request,
      prompt,
      generated: logical.tokens(choice),
      choice,
      traceparent,
      deadlineMs,
    };
    const told: AttemptPorts = {
      now,
      token(atMs, seq, tokenId, bytes) {
        // From now on it is the time between tokens that counts, which is shorter.
        if (!own.hasToken) changed();
        own.hasToken = true;
        ports.onToken();
        take(logical.frame(choice, { atMs, epoch, seq, tokenId, bytes }));
      },
      frame(atMs, frame) {
        switch (frame.type) {
          case 'prompt':
            toldTokens ??= frame.tokens;
            if (frame.ids !== null) prompt = frame.ids;
            progressOf(choice, epoch, atMs);
            break;
          case 'progress':
            progressOf(choice, epoch, atMs);
            break;
          case 'finish': {
            const { reason, length } = frame;
            take(logical.step(choice, { type: 'finish', atMs, epoch, reason, length }));
            break;
          }
        }
      },
      turn: ports.onTurn,
      failed({ outcome, message, retryAfterMs }) {
        lastMessage = message;
        take(
          logical.step(choice, {
            type: 'failed',
            atMs: now(),
            epoch,
            outcome: reservation.explain(outcome),
            random: random(),
            ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
          }),
        );
      },
    };
    const attempt =
      reservation.engine === null
        ? startAttempt(reservation, asked, told)
        : startForeign(choice, reservation, reservation.engine, asked, told);
    const own: Running = { choice, epoch, reservation, attempt, hasToken: false };
    running.set(keyOf(choice, epoch), own);
  }

  /** Its tokens are texts too, and its server counts them. */
  function startForeign(
    choice: number,
    reservation: Reservation,
    engine: ForeignEngine,
    asked: AttemptRequest,
    told: AttemptPorts,
  ): Attempt {
    const startSeq = asked.generated.length;
    if (!speaksTokenIds(engine)) foreign.isText();
    return startOpenAiAttempt(
      reservation,
      engine,
      { ...asked, text: foreign.text(choice) },
      {
        ...told,
        token(atMs, seq, tokenId, bytes) {
          // Behind the log there is no such token yet; anything else the log refuses or has.
          if (logical.tokens(choice).length === seq) foreign.token(choice, seq, tokenId, bytes);
          told.token(atMs, seq, tokenId, bytes);
        },
        usage(usage) {
          const counted = foreign.usage(choice, usage, startSeq, logical.tokens(choice).length);
          toldTokens ??= counted;
        },
      },
    );
  }

  return {
    get toldTokens() {
      return toldTokens;
    },
    get lastMessage() {
      return lastMessage;
    },
    has(choice) {
      for (const own of running.values()) if (own.choice === choice) return true;
      return false;
    },
    start,
    kill: (choice, epoch) => running.get(keyOf(choice, epoch))?.attempt.kill(),
    end(choice, epoch, outcome) {
      const key = keyOf(choice, epoch);
      running.get(key)?.reservation.release(outcome);
      running.delete(key);
    },
    lost(ref, outcome, why) {
      for (const { choice, epoch, attempt, reservation } of [...running.values()]) {
        if (!isSame(reservation.ref, ref)) continue;
        attempt.kill();
        lastMessage = why;
        take(logical.step(choice, { type: 'failed', atMs: now(), epoch, outcome, random: random() }));
      }
    },
    progress(ref) {
      // Where tokens have come, only tokens show that more will.
      for (const { choice, epoch, hasToken, reservation } of running.values())
        if (!hasToken && isSame(reservation.ref, ref)) progressOf(choice, epoch, now());
    },
  };
}
