/** One request of a client, from its admission to its last byte: what is counted of it, and what it is told. */
import type { ServerResponse } from 'node:http';
import type { RejectReason } from '../fleet/admission/admission.js';
import type { ClientEvent } from '../fleet/logical-request.js';
import type { Withdraw } from '../fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import { monoMs } from '../native/clock.js';
import { onClientGone } from '../wire/client-gone.js';
import type { OpenAiError } from '../worker/openai.js';
import { createClientWriter, outcomeError } from './client-writer.js';
import type { MigrationMode } from './foreign-log.js';
import type { Entry } from './lane.js';
import { runOpaque } from './opaque.js';
import type { Refusals } from './refusals.js';
import type { RequestPorts, SentTerms } from './request-types.js';
import { type RunningStream, runStream, type StreamRequest } from './stream.js';

export interface RunningRequest {
  /** Null: it waits for its admission. */
  readonly stream: RunningStream | null;
  /** Ends it with an error. */
  cut(): void;
}

export interface RunningRequestPorts extends RequestPorts {
  readonly refusals: Refusals;
  readonly retryBudget: Withdraw;
  readonly hedgeBudget: Withdraw;
  onBegin(own: RunningRequest): void;
  onEnd(own: RunningRequest): void;
  onMigrated(outcome: Outcome, mode: MigrationMode): void;
  onPoison(hash: string, workers: readonly WorkerRef[]): void;
  onProgress(): void;
}

/** `token`, `text` or `none`: see docs/migration.md. */
const MIGRATION_HEADER = 'X-Migration-Mode';

export const RETRY_LATER: OpenAiError = {
  status: 503,
  type: 'overloaded_error',
  message: 'the frontend is shutting down',
  code: 'draining',
};

/** @param given its model is that which will answer it, wherever it moves */
export function runRequest(
  given: StreamRequest,
  hash: () => string,
  terms: SentTerms,
  response: ServerResponse,
  ports: RunningRequestPorts,
): void {
  const { pool, gate, metrics, options, log, refusals, retryBudget, hedgeBudget } = ports;
  const { id, request } = given;
  const { model, prompt, maxTokens, choices } = request;
  const startMs = monoMs();
  const counted = options.health?.requests.begin();
  const writer = createClientWriter(response, {
    id,
    model: model ?? 'unknown',
    request,
    overloadStatus: refusals.overloadStatus,
    retryAfterSeconds: (outcome) => refusals.retryAfterSeconds(outcome, model, hash),
  });
  let stream: RunningStream | null = null;
  let entry: Entry | null = null;
  let hasEnded = false;
  let hasToken = false;
  let newTokens = 0;
  const own: RunningRequest = {
    get stream() {
      return stream;
    },
    cut() {
      writer.fail(RETRY_LATER);
      cancel();
    },
  };
  ports.onBegin(own);

  function end(outcome: string): void {
    if (hasEnded) return;
    hasEnded = true;
    count();
    entry?.leave();
    metrics.ended(outcome, (monoMs() - startMs) / 1000);
    metrics.tenant.ended(terms.tenant, outcome);
    if (outcome === 'success' || outcome === 'cancelled') counted?.end();
    else counted?.fail();
    ports.onEnd(own);
  }

  function cancel(): void {
    if (hasEnded) return;
    end('cancelled');
    stream?.cancel();
  }

  function client(event: ClientEvent, message: string): void {
    if (hasEnded) return;
    if (!response.headersSent) response.setHeader(MIGRATION_HEADER, migrationMode());
    writer.write(event, message);
    if (event.type === 'end') end('success');
    else if (event.type === 'error') end(event.outcome);
  }

  /** How it goes on if its worker is lost. */
  function migrationMode(): string {
    if (options.migration?.migrationLimit === 0 || request.stateful !== null) return 'none';
    return stream?.mode ?? 'token';
  }

  function token(): void {
    newTokens += 1;
    if (!hasToken) metrics.firstToken((monoMs() - startMs) / 1000);
    hasToken = true;
  }

  /** Tokens are counted by the turn: each alone would cost as much as all else that is done with it. */
  function count(): void {
    if (newTokens === 0) return;
    ports.onProgress();
    metrics.tokens(newTokens);
    metrics.tenant.tokens(terms.tenant, newTokens);
    counted?.tokens(newTokens);
    entry?.progress(newTokens);
    newTokens = 0;
  }

  function start(): void {
    if (request.opaque !== null) {
      const ended = (outcome: string): void => end(outcome === 'invalid' ? 'success' : outcome);
      stream = runOpaque(given, { pool, response, log, ended, retryBudget });
      return;
    }
    stream = runStream(given, {
      ...{ pool, log, retryBudget, hedgeBudget, client },
      limits: options.migration ?? {},
      now: monoMs,
      random: Math.random,
      onMigrated: ports.onMigrated,
      onPoison(workers) {
        ports.onPoison(hash(), workers);
        log({ request: id }, 'poison request');
      },
      onToken: token,
      onTurn: count,
    });
  }

  function reject(reason: RejectReason, seconds: number): void {
    const isItsOwn = reason === 'deadline' && terms.deadlineMs <= monoMs();
    const error = isItsOwn
      ? outcomeError('deadline', 'the deadline of the request has passed while it waited')
      : refusals.overloaded(reason, seconds);
    const outcome = isItsOwn ? 'deadline' : 'rejected';
    const isAtOnce = entry === null;
    refusals.refuse(response, reason, error, seconds, isAtOnce ? terms.readMs : null);
    // What is counted of it can wait until it has been sent.
    if (isAtOnce) process.nextTick(end, outcome);
    else end(outcome);
  }

  onClientGone(response, cancel);
  const promptTokens = typeof prompt === 'string' ? Math.ceil(prompt.length / 4) : prompt.length;
  // By then it must have been sent: what it is promised, or all the time that it has.
  const deadlineMs = Math.min(
    terms.deadlineMs,
    startMs + (options.admission?.firstTokenMs ?? Number.POSITIVE_INFINITY),
  );
  entry = gate.enter(
    { ...terms, model, promptTokens, expectedTokens: maxTokens * choices, deadlineMs },
    { admit: start, reject },
  );
  // What ended in the same turn had no entry to leave.
  if (hasEnded) entry.leave();
}
