/** The requests of a frontend that run or wait, and who tells them what happens to workers. */
import { monoMs } from '../native/clock.js';
import { createFullHouse } from './full-house.js';
import { createSharedBudget } from './processes/shared-budget.js';
import { createRefusals } from './refusals.js';
import { hashOf } from './request-hash.js';
import type { RequestPorts, Requests } from './request-types.js';
import { RETRY_LATER, type RunningRequest, type RunningRequestPorts, runRequest } from './running-request.js';

export type * from './request-types.js';

export function createRequests(ports: RequestPorts): Requests {
  const { pool, gate, metrics, options, sharing = null } = ports;
  const running = new Set<RunningRequest>();
  const migrations: Record<string, number> = {};
  const processes = sharing?.processes ?? 1;
  const retryBudget = createSharedBudget(processes);
  const hedgeBudget = createSharedBudget(processes, { ratio: 0.02, minPerSecond: 1 });
  const idleWaiters: (() => void)[] = [];
  let isDraining = false;
  let hasProgress = false;

  const refusals = createRefusals({ pool, gate, metrics, overloadStatus: options.overloadStatus ?? 503 });
  const { quarantine } = refusals;
  const refuseIfFull = createFullHouse(ports, refusals);

  const told: RunningRequestPorts = {
    ...ports,
    refusals,
    retryBudget: retryBudget.tryWithdraw,
    hedgeBudget: hedgeBudget.tryWithdraw,
    onBegin: (own) => running.add(own),
    onEnd(own) {
      running.delete(own);
      if (running.size === 0) for (const wake of idleWaiters.splice(0)) wake();
    },
    onMigrated(outcome, mode) {
      migrations[outcome] = (migrations[outcome] ?? 0) + 1;
      metrics.migrated(outcome, mode);
    },
    onPoison(hash, workers) {
      quarantine.add(hash, monoMs());
      sharing?.poisoned(hash);
      for (const ref of workers) pool.forgive(ref);
    },
    onProgress() {
      hasProgress = true;
    },
  };

  return {
    get inFlight() {
      return running.size;
    },
    migrations,
    retryBudget,
    hedgeBudget,
    quarantine: (hash, ageMs) => quarantine.add(hash, monoMs() - ageMs),
    get isDraining() {
      return isDraining;
    },
    set isDraining(value) {
      isDraining = value;
    },
    refuseIfFull: (id, terms, response) => !isDraining && refuseIfFull(id, terms, response),
    run(given, terms, response) {
      const hash = (): string => hashOf(given.request);
      if (isDraining) {
        refusals.refuse(response, 'draining', RETRY_LATER, 1, terms.readMs);
        return;
      }
      if (refusals.isRefused(given.request.model, hash, terms.readMs, response)) return;
      const atMs = monoMs();
      retryBudget.deposit(atMs);
      hedgeBudget.deposit(atMs);
      // Wherever it moves, the same model answers it.
      const model = given.request.model ?? pool.models()[0] ?? null;
      runRequest({ ...given, request: { ...given.request, model } }, hash, terms, response, told);
    },
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
