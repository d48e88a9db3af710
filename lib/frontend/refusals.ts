/** What a frontend does not serve, what it says to that, and when to come back. */
import type { ServerResponse } from 'node:http';
import { createQuarantine, type Quarantine } from '../fleet/quarantine.js';
import type { Outcome } from '../fleet/types.js';
import { monoMs } from '../native/clock.js';
import { sendError } from '../worker/http-body.js';
import type { OpenAiError } from '../worker/openai.js';
import { outcomeError } from './client-writer.js';
import type { Gate } from './gate.js';
import type { FrontendMetrics } from './metrics.js';
import type { WorkerPool } from './pool.js';

export interface Refusals {
  readonly overloadStatus: number;
  /** Requests that have cost workers their lives. */
  readonly quarantine: Quarantine;
  overloaded(reason: string, seconds: number): OpenAiError;
  /** @param readMs when the request had been read; null: it has waited since, as it was meant to */
  refuse(
    response: ServerResponse,
    reason: string,
    error: OpenAiError,
    seconds: number,
    readMs: number | null,
    headers?: Readonly<Record<string, string>>,
  ): void;
  /** True: nobody could or should serve it, and it has been answered. */
  isRefused(model: string | null, hash: () => string, readMs: number, response: ServerResponse): boolean;
  /** Null: to come back later helps nothing. */
  retryAfterSeconds(outcome: Outcome | 'poison', model: string | null, hash: () => string): number | null;
}

export function createRefusals({
  pool,
  gate,
  metrics,
  overloadStatus,
}: {
  readonly pool: WorkerPool;
  readonly gate: Gate;
  readonly metrics: FrontendMetrics;
  readonly overloadStatus: number;
}): Refusals {
  const quarantine = createQuarantine();

  function refuse(
    response: ServerResponse,
    reason: string,
    error: OpenAiError,
    seconds: number,
    readMs: number | null,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    metrics.rejected(reason);
    if (readMs !== null) response.once('finish', () => metrics.refusedAfter((monoMs() - readMs) / 1000));
    sendError(response, error, { ...headers, 'Retry-After': String(seconds) });
  }

  return {
    overloadStatus,
    quarantine,
    refuse,
    overloaded: (reason, seconds) => ({
      status: overloadStatus,
      type: 'overloaded_error',
      message: `the service is overloaded (${reason}), retry in ${seconds} s`,
      code: 'overloaded',
    }),
    isRefused(model, hash, readMs, response) {
      // Nearly always empty, and the hash of a long prompt takes longer than a refusal may.
      const leftMs = quarantine.size === 0 ? 0 : quarantine.leftMs(hash(), monoMs());
      if (leftMs > 0) {
        const error = outcomeError('poison', 'workers were lost to this request');
        refuse(response, 'poison', error, Math.ceil(leftMs / 1000), readMs);
        return true;
      }
      const models = pool.models();
      if (model === null || models.length === 0 || models.includes(model)) return false;
      const message = `no worker serves the model ${JSON.stringify(model)}`;
      metrics.rejected('model_not_found');
      const type = 'invalid_request_error';
      sendError(response, { status: 404, type, message, code: 'model_not_found' });
      return true;
    },
    retryAfterSeconds(outcome, model, hash) {
      if (outcome === 'overloaded') return gate.retryAfterSeconds(model);
      if (outcome === 'poison') return Math.max(1, Math.ceil(quarantine.leftMs(hash(), monoMs()) / 1000));
      return outcome === 'draining' || outcome === 'shutdown' || outcome === 'no_workers' ? 1 : null;
    },
  };
}
