/** The requests of a frontend from their admission to their last byte, and who tells them what happens to workers. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { RejectReason } from '../fleet/admission/admission.js';
import type { ClientEvent } from '../fleet/logical-request.js';
import type { Outcome } from '../fleet/types.js';
import { monoMs } from '../native/clock.js';
import { onClientGone } from '../wire/client-gone.js';
import type { JsonBody } from '../worker/http-body.js';
import type { OpenAiError } from '../worker/openai.js';
import { samplingFields } from '../worker/sampling.js';
import { createClientWriter, outcomeError } from './client-writer.js';
import type { MigrationMode } from './foreign-log.js';
import type { Gate } from './gate.js';
import type { Entry } from './lane.js';
import type { FrontendMetrics } from './metrics.js';
import { runOpaque } from './opaque.js';
import type { FrontendOptions } from './options.js';
import type { WorkerPool } from './pool.js';
import { createSharedBudget, type SharedBudget } from './processes/shared-budget.js';
import { createRefusals } from './refusals.js';
import type { Sharing } from './sharing.js';
import { type RunningStream, runStream, type StreamRequest } from './stream.js';
import type { RequestTerms } from './terms.js';

export interface RequestPorts {
  readonly pool: WorkerPool;
  readonly gate: Gate;
  readonly metrics: FrontendMetrics;
  readonly options: FrontendOptions;
  readonly sharing?: Sharing | null;
  log(fields: object, message: string): void;
}

/** What was asked for beside the body, and what of the body counts. */
export type SentTerms = RequestTerms & Pick<JsonBody, 'bytes' | 'readMs'>;

export interface Requests {
  readonly inFlight: number;
  readonly migrations: Readonly<Record<string, number>>;
  isDraining: boolean;
  readonly retryBudget: SharedBudget;
  readonly hedgeBudget: SharedBudget;
  /** Refuses what is known elsewhere to cost workers their lives. */
  quarantine(hash: string): void;
  run(request: StreamRequest, terms: SentTerms, response: ServerResponse): void;
  each(tell: (stream: RunningStream) => void): void;
  /** Call it several times a second. */
  tick(nowMs: number): void;
  /** Resolves when none is in flight. */
  idle(): Promise<void>;
  /** Ends all with an error. */
  cut(): void;
}

interface Running {
  readonly stream: RunningStream | null;
  cut(): void;
}

/** `token`, `text` or `none`: see docs/migration.md. */
const MIGRATION_HEADER = 'X-Migration-Mode';

const RETRY_LATER: OpenAiError = {
  status: 503,
  type: 'overloaded_error',
  message: 'the frontend is shutting down',
  code: 'draining',
};

export function createRequests({
  pool,
  gate,
  metrics,
  options,
  sharing = null,
  log,
}: RequestPorts): Requests {
  const running = new Set<Running>();
  const migrations: Record<string, number> = {};
  const processes = sharing?.processes ?? 1;
  const retryBudget = createSharedBudget(processes);
  const hedgeBudget = createSharedBudget(processes, { ratio: 0.02, minPerSecond: 1 });
  const idleWaiters: (() => void)[] = [];
  let isDraining = false;
  let hasProgress = false;

  const firstTokenMs = options.admission?.firstTokenMs ?? Number.POSITIVE_INFINITY;
  const refusals = createRefusals({ pool, gate, metrics, overloadStatus: options.overloadStatus ?? 503 });
  const { quarantine } = refusals;

  function run(given: StreamRequest, terms: SentTerms, response: ServerResponse): void {
    const hash = (): string => hashOf(given);
    if (isDraining) {
      refusals.refuse(response, 'draining', RETRY_LATER, 1, terms.readMs);
      return;
    }
    if (refusals.isRefused(given.request.model, hash, terms.readMs, response)) return;
    // Wherever it moves, the same model answers it.
    const model = given.request.model ?? pool.models()[0] ?? null;
    const request = { ...given.request, model };
    const { id } = given;
    const startMs = monoMs();
    retryBudget.deposit(startMs);
    hedgeBudget.deposit(startMs);
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
    const own: Running = {
      get stream() {
        return stream;
      },
      cut() {
        writer.fail(RETRY_LATER);
        cancel();
      },
    };
    running.add(own);

    function end(outcome: string): void {
      if (hasEnded) return;
      hasEnded = true;
      count();
      running.delete(own);
      entry?.leave();
      metrics.ended(outcome, (monoMs() - startMs) / 1000);
      metrics.tenant.ended(terms.tenant, outcome);
      if (outcome === 'success' || outcome === 'cancelled') counted?.end();
      else counted?.fail();
      if (running.size === 0) for (const wake of idleWaiters.splice(0)) wake();
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
      hasProgress = true;
      metrics.tokens(newTokens);
      metrics.tenant.tokens(terms.tenant, newTokens);
      counted?.tokens(newTokens);
      entry?.progress(newTokens);
      newTokens = 0;
    }

    function start(): void {
      if (request.opaque !== null) {
        const ended = (outcome: string): void => end(outcome === 'invalid' ? 'success' : outcome);
        stream = runOpaque(
          { ...given, request },
          { pool, response, log, ended, retryBudget: retryBudget.tryWithdraw },
        );
        return;
      }
      stream = runStream(
        { ...given, request },
        {
          pool,
          limits: options.migration ?? {},
          retryBudget: retryBudget.tryWithdraw,
          hedgeBudget: hedgeBudget.tryWithdraw,
          now: monoMs,
          random: Math.random,
          log,
          onMigrated(outcome: Outcome, mode: MigrationMode) {
            migrations[outcome] = (migrations[outcome] ?? 0) + 1;
            metrics.migrated(outcome, mode);
          },
          onPoison(workers) {
            quarantine.add(hash(), monoMs());
            sharing?.poisoned(hash());
            for (const ref of workers) pool.forgive(ref);
            log({ request: id }, 'poison request');
          },
          onToken: token,
          onTurn: count,
          client,
        },
      );
    }

    function reject(reason: RejectReason, seconds: number): void {
      const isItsOwn = reason === 'deadline' && terms.deadlineMs <= monoMs();
      const error = isItsOwn
        ? outcomeError('deadline', 'the deadline of the request has passed while it waited')
        : refusals.overloaded(`the service is overloaded (${reason}), retry in ${seconds} s`);
      refusals.refuse(response, reason, error, seconds, entry === null ? terms.readMs : null);
      end(isItsOwn ? 'deadline' : 'rejected');
    }

    onClientGone(response, cancel);
    const { prompt, maxTokens, choices } = request;
    const promptTokens = typeof prompt === 'string' ? Math.ceil(prompt.length / 4) : prompt.length;
    // By then it must have been sent: what it is promised, or all the time that it has.
    const deadlineMs = Math.min(terms.deadlineMs, startMs + firstTokenMs);
    entry = gate.enter(
      { ...terms, model, promptTokens, expectedTokens: maxTokens * choices, deadlineMs },
      { admit: start, reject },
    );
    // What ended in the same turn had no entry to leave.
    if (hasEnded) entry.leave();
  }

  return {
    get inFlight() {
      return running.size;
    },
    migrations,
    retryBudget,
    hedgeBudget,
    quarantine: (hash) => quarantine.add(hash, monoMs()),
    get isDraining() {
      return isDraining;
    },
    set isDraining(value) {
      isDraining = value;
    },
    run,
    tick(nowMs) {
      // Retries are worth something as long as tokens come.
      if (!hasProgress) return;
      hasProgress = false;
      retryBudget.succeed(nowMs);
      hedgeBudget.succeed(nowMs);
    },
    each(tell) {
      // A stream may end while it is told.
      for (const { stream } of [...running]) if (stream !== null) tell(stream);
    },
    idle: () =>
      running.size === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve)),
    cut() {
      for (const { cut } of [...running]) cut();
    },
  };
}

/** Of what the engine computes on: the same words of another client are the same danger. */
function hashOf({ request }: StreamRequest): string {
  const { model, prompt, temperature, seed, maxTokens, sampling } = request;
  return createHash('sha256')
    .update(JSON.stringify([model, prompt, temperature, seed, maxTokens, samplingFields(sampling)]))
    .digest('base64');
}
