/** One request of a client, from its body to its last byte: runs what the logical request asks for. */
import {
  type ClientEvent,
  createLogicalRequest,
  type RequestOutput,
  type Usage,
} from '../fleet/logical-request.js';
import type { MigrationLimits, Withdraw } from '../fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import { isSame } from '../fleet/worker-ref.js';
import type { CompletionRequest } from '../worker/request.js';
import { type Attempt, type AttemptPorts, type AttemptRequest, startAttempt } from './attempt.js';
import { createForeignLog, type MigrationMode } from './foreign-log.js';
import { startOpenAiAttempt } from './openai-attempt.js';
import type { Reservation, WorkerPool } from './pool.js';
import type { ForeignEngine } from './worker-url.js';

export interface StreamPorts {
  readonly pool: WorkerPool;
  readonly limits: Partial<MigrationLimits>;
  readonly retryBudget: Withdraw;
  readonly hedgeBudget: Withdraw;
  now(): number;
  random(): number;
  log(fields: object, message: string): void;
  onMigrated(outcome: Outcome, mode: MigrationMode): void;
  onPoison(workers: readonly WorkerRef[]): void;
  onToken(): void;
  /** All that has come at once has been dealt with; by then the stream may have ended. */
  onTurn(): void;
  /** In order; the last one is `end` or `error`. */
  client(event: ClientEvent, message: string): void;
}

export interface RunningStream {
  readonly id: string;
  readonly usage: Usage;
  /** How it moves, as far as is known by now. */
  readonly mode: MigrationMode;
  nextTimerMs(): number;
  tick(): void;
  suspect(ref: WorkerRef): void;
  leaving(ref: WorkerRef): void;
  /** What runs there is over. */
  lost(ref: WorkerRef, outcome: Outcome, why: string): void;
  progress(ref: WorkerRef): void;
  cancel(): void;
}

interface Running {
  readonly choice: number;
  readonly epoch: number;
  readonly reservation: Reservation;
  readonly attempt: Attempt;
  hasToken: boolean;
}

/** Without a tokenizer of its own a frontend takes four characters for a token, until a worker says better. */
const CHARACTERS_PER_TOKEN = 4;
/** A stream that has lost its worker waits so long for another one to come back: what the client has is worth it. */
const PICK_LIMIT_MS = 2000;
const PICK_AGAIN_MS = 100;
/** … and then goes back to one that it has lost before, if that one is well again: all had a bad moment, as of a switch. */
const PICK_ANY_AFTER_MS = 300;

export interface StreamRequest {
  readonly id: string;
  /** With the model that answers it, wherever it goes. */
  readonly request: CompletionRequest;
  /** Checked; null: none. */
  readonly traceparent: string | null;
  /** Monotonic milliseconds by which it is to have ended; absent: at any time. */
  readonly deadlineMs?: number;
}

interface OpenPick {
  readonly excluded: readonly WorkerRef[];
  readonly untilMs: number;
  againMs: number;
}

export function runStream(
  { id, request, traceparent, deadlineMs }: StreamRequest,
  ports: StreamPorts,
): RunningStream {
  const { pool, now, random } = ports;
  const promptTokens =
    typeof request.prompt === 'string'
      ? Math.ceil(request.prompt.length / CHARACTERS_PER_TOKEN)
      : request.prompt.length;
  const logical = createLogicalRequest({
    request: {
      promptTokens,
      maxTokens: request.maxTokens,
      endTokens: [],
      isReplayable: request.stateful === null,
      deadlineMs: deadlineMs ?? null,
    },
    choices: request.choices,
    stop: request.stop,
    limits: ports.limits,
    retryBudget: ports.retryBudget,
    hedgeBudget: ports.hedgeBudget,
  });
  let prompt = request.prompt;
  let toldTokens: number | null = null;
  let lastMessage = '';
  /** What is known of streams of others' engines, whose log has no ids. */
  const foreign = createForeignLog(request.choices);
  const running = new Map<string, Running>();
  /** Nothing is due before; NaN: to be computed. Tokens only put it off, so it need not be known again with each of them. */
  let dueMs = Number.NaN;
  /** Workers that were picked and not yet dispatched to, by choice. */
  const reserved = new Map<number, Reservation>();
  /** Choices that nobody could take a moment ago. */
  const picking = new Map<number, OpenPick>();
  const keyOf = (choice: number, epoch: number): string => `${choice}:${epoch}`;

  function take({ client, effects }: RequestOutput): void {
    if (effects.length > 0) dueMs = Number.NaN;
    // What the client gets does not wait for what the workers are told.
    for (const event of client) ports.client(withPrompt(event), lastMessage);
    for (const { choice, effect } of effects) {
      switch (effect.type) {
        case 'pick':
          pick(choice, effect.excluded);
          break;
        case 'dispatch':
          dispatch(choice, effect.epoch, effect.ref);
          break;
        case 'warm':
          // Engines here keep no prefix between requests: the move costs its prefill whenever it is made.
          take(logical.step(choice, { type: 'warmed', atMs: now(), ref: effect.ref }));
          break;
        case 'kill':
          running.get(keyOf(choice, effect.epoch))?.attempt.kill();
          break;
        case 'outcome': {
          const key = keyOf(choice, effect.epoch);
          running.get(key)?.reservation.release(effect.outcome);
          running.delete(key);
          break;
        }
        case 'migrated':
          ports.log(
            {
              request: id,
              from: effect.from.worker,
              outcome: effect.outcome,
              tokens: logical.tokens(choice).length,
              mode: foreign.mode(choice),
            },
            'stream moves',
          );
          ports.onMigrated(effect.outcome, foreign.mode(choice));
          break;
        case 'poison':
          ports.onPoison(effect.workers);
          break;
        case 'end':
          picking.delete(choice);
          break;
      }
    }
  }

  function expected(choice: number) {
    const generated = logical.tokens(choice).length;
    return { promptTokens: promptTokens + generated, expectedTokens: request.maxTokens - generated };
  }

  /** The engine's count of the prompt is the right one. */
  function withPrompt(event: ClientEvent): ClientEvent {
    if (event.type !== 'end' && event.type !== 'error') return event;
    const { usage } = event;
    const completionTokens = usage.completionTokens + foreign.missingTokens;
    return {
      ...event,
      usage: { ...usage, promptTokens: toldTokens ?? usage.promptTokens, completionTokens },
    };
  }

  function pick(choice: number, excluded: readonly WorkerRef[]): void {
    const atMs = now();
    const reservation = pool.pick({ model: request.model, excluded, ...expected(choice) });
    if (reservation === null) {
      const isAlone = ![...running.values()].some((own) => own.choice === choice);
      const open = picking.get(choice);
      if (
        logical.tokens(choice).length > 0 &&
        isAlone &&
        atMs < (open?.untilMs ?? Number.POSITIVE_INFINITY)
      ) {
        const untilMs = open?.untilMs ?? atMs + PICK_LIMIT_MS;
        dueMs = Number.NaN;
        picking.set(choice, { excluded, untilMs, againMs: atMs + PICK_AGAIN_MS });
        return;
      }
      picking.delete(choice);
      take(logical.step(choice, { type: 'no_worker', atMs }));
      return;
    }
    picking.delete(choice);
    reserved.set(choice, reservation);
    const { ref, patience } = reservation;
    take(logical.step(choice, { type: 'picked', atMs: now(), ref, patience }));
    // Nobody wanted it any more.
    if (reserved.get(choice) === reservation) {
      reserved.delete(choice);
      reservation.release(null);
    }
  }

  function dispatch(choice: number, epoch: number, ref: WorkerRef): void {
    const key = keyOf(choice, epoch);
    // A choice that goes where another one of the request is has not been picked for.
    const reservation = reserved.get(choice) ?? pool.reserve(ref, expected(choice));
    reserved.delete(choice);
    if (reservation === null) {
      const outcome = 'not_sent';
      take(logical.step(choice, { type: 'failed', atMs: now(), epoch, outcome, random: random() }));
      return;
    }
    const tokens = logical.tokens(choice).length;
    if (epoch > 0) ports.log({ request: id, to: ref.worker, tokens }, 'stream goes on');
    const asked = {
      id: `${id}-${choice}-${epoch}`,
      request,
      prompt,
      generated: logical.tokens(choice),
      choice,
      traceparent,
    };
    const told: AttemptPorts = {
      now,
      token(atMs, seq, tokenId, bytes) {
        // From now on it is the time between tokens that counts, which is shorter.
        if (!own.hasToken) dueMs = Number.NaN;
        own.hasToken = true;
        ports.onToken();
        take(logical.frame(choice, { atMs, epoch, seq, tokenId, bytes }));
      },
      frame(atMs, frame) {
        switch (frame.type) {
          case 'prompt':
            toldTokens ??= frame.tokens;
            if (frame.ids !== null) prompt = frame.ids;
            dueMs = Number.NaN;
            take(logical.step(choice, { type: 'progress', atMs, epoch }));
            break;
          case 'progress':
            dueMs = Number.NaN;
            take(logical.step(choice, { type: 'progress', atMs, epoch }));
            break;
          case 'finish':
            take(
              logical.step(choice, {
                type: 'finish',
                atMs,
                epoch,
                reason: frame.reason,
                length: frame.length,
              }),
            );
            break;
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
    running.set(key, own);
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

  const at = (ref: WorkerRef): Running[] =>
    [...running.values()].filter(({ reservation }) => isSame(reservation.ref, ref));

  take(logical.start(now()));

  return {
    id,
    get usage() {
      return logical.usage();
    },
    get mode() {
      return foreign.mode(0);
    },
    nextTimerMs() {
      // Asked 20 times a second for every stream, most of which are idle.
      if (Number.isNaN(dueMs)) {
        dueMs = logical.nextTimerMs();
        for (const { againMs } of picking.values()) dueMs = Math.min(dueMs, againMs);
      }
      return dueMs;
    },
    tick() {
      const atMs = now();
      dueMs = Number.NaN;
      for (const [choice, { againMs, untilMs, excluded }] of [...picking]) {
        if (atMs < againMs) continue;
        pick(choice, atMs >= untilMs - PICK_LIMIT_MS + PICK_ANY_AFTER_MS ? [] : excluded);
      }
      take(logical.stepAll({ type: 'tick', atMs, random: random() }));
    },
    suspect: (ref) => take(logical.stepAll({ type: 'suspect', atMs: now(), ref })),
    leaving: (ref) => take(logical.stepAll({ type: 'leaving', atMs: now(), ref })),
    lost(ref, outcome, why) {
      for (const { choice, epoch, attempt } of at(ref)) {
        attempt.kill();
        lastMessage = why;
        take(logical.step(choice, { type: 'failed', atMs: now(), epoch, outcome, random: random() }));
      }
    },
    progress(ref) {
      // Where tokens have come, only tokens show that more will.
      for (const { choice, epoch, hasToken, reservation } of running.values()) {
        if (hasToken || !isSame(reservation.ref, ref)) continue;
        dueMs = Number.NaN;
        take(logical.step(choice, { type: 'progress', atMs: now(), epoch }));
      }
    },
    cancel: () => take(logical.stepAll({ type: 'cancel', atMs: now() })),
  };
}
