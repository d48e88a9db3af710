/** One request of a client, from its body to its last byte: runs what the logical request asks for. */
import { type ClientEvent, createLogicalRequest, type RequestOutput } from '../fleet/logical-request.js';
import type { WorkerRef } from '../fleet/types.js';
import { createForeignLog } from './foreign-log.js';
import { createOpenPicks } from './open-picks.js';
import type { Reservation } from './pool.js';
import { createStreamAttempts } from './stream-attempts.js';
import type { RunningStream, StreamPorts, StreamRequest } from './stream-types.js';

export type * from './stream-types.js';

/** Without a tokenizer of its own a frontend takes four characters for a token, until a worker says better. */
const CHARACTERS_PER_TOKEN = 4;

export function runStream(given: StreamRequest, ports: StreamPorts): RunningStream {
  const { id, request, deadlineMs } = given;
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
  /** What is known of streams of others' engines, whose log has no ids. */
  const foreign = createForeignLog(request.choices);
  /** Nothing is due before; NaN: to be computed. Tokens only put it off, so it need not be known again with each of them. */
  let dueMs = Number.NaN;
  const changed = (): void => {
    dueMs = Number.NaN;
  };
  const { onToken, onTurn } = ports;
  const attempts = createStreamAttempts(given, {
    ...{ now, random, onToken, onTurn, logical, foreign, changed },
    take,
  });
  /** Workers that were picked and not yet dispatched to, by choice. */
  const reserved = new Map<number, Reservation>();
  const open = createOpenPicks();

  function take({ client, effects }: RequestOutput): void {
    if (effects.length > 0) changed();
    // What the client gets does not wait for what the workers are told.
    for (const event of client) ports.client(withPrompt(event), attempts.lastMessage);
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
          attempts.kill(choice, effect.epoch);
          break;
        case 'outcome':
          attempts.end(choice, effect.epoch, effect.outcome);
          break;
        case 'migrated': {
          const { from, outcome } = effect;
          const tokens = logical.tokens(choice).length;
          const mode = foreign.mode(choice);
          ports.log({ request: id, from: from.worker, outcome, tokens, mode }, 'stream moves');
          ports.onMigrated(outcome, mode);
          break;
        }
        case 'poison':
          ports.onPoison(effect.workers);
          break;
        case 'end':
          open.end(choice);
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
      usage: { ...usage, promptTokens: attempts.toldTokens ?? usage.promptTokens, completionTokens },
    };
  }

  function pick(choice: number, excluded: readonly WorkerRef[]): void {
    const atMs = now();
    const reservation = pool.pick({ model: request.model, excluded, ...expected(choice) });
    if (reservation === null) {
      const isWorthIt = logical.tokens(choice).length > 0 && !attempts.has(choice);
      if (isWorthIt && open.wait(choice, excluded, atMs)) {
        changed();
        return;
      }
      open.end(choice);
      take(logical.step(choice, { type: 'no_worker', atMs }));
      return;
    }
    open.end(choice);
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
    attempts.start(choice, epoch, reservation);
  }

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
      if (Number.isNaN(dueMs)) dueMs = Math.min(logical.nextTimerMs(), open.nextMs());
      return dueMs;
    },
    tick() {
      const atMs = now();
      changed();
      for (const { choice, excluded } of open.due(atMs)) pick(choice, excluded);
      take(logical.stepAll({ type: 'tick', atMs, random: random() }));
    },
    suspect: (ref) => take(logical.stepAll({ type: 'suspect', atMs: now(), ref })),
    leaving: (ref) => take(logical.stepAll({ type: 'leaving', atMs: now(), ref })),
    lost: attempts.lost,
    progress: attempts.progress,
    cancel: () => take(logical.stepAll({ type: 'cancel', atMs: now() })),
  };
}
