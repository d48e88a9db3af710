/** The retry budgets of one frontend, and promise 12 by a count of its own. */
import type { Core } from './core.js';

export interface Budgets {
  /** A request has begun. */
  deposit(atMs: number): void;
  /** A token came: the pool answers, and is worth retries. */
  token(): void;
  retry(atMs: number): boolean;
  hedge(atMs: number): boolean;
  /** After every event. */
  check(): void;
}

/** Successes are told no more often. */
const SUCCESS_MS = 100;

export function createBudgets({ world, actor }: Core): Budgets {
  const { checks, machines, scenario, stats } = world;
  const retries = machines.createRetryBudget();
  const hedges = machines.createRetryBudget({ ratio: 0.02, minPerSecond: scenario.hedgePerSecond });
  const startedMs = actor.now();
  let succeededMs = Number.NEGATIVE_INFINITY;
  let requests = 0;
  let paid = 0;
  /** Whether any was paid since the last check: else there is only more to pay from. */
  let hasPaid = false;
  return {
    deposit(atMs) {
      requests += 1;
      retries.deposit(atMs);
    },
    token() {
      const atMs = actor.now();
      if (atMs < succeededMs + SUCCESS_MS) return;
      succeededMs = atMs;
      retries.succeed(atMs);
      hedges.succeed(atMs);
    },
    retry(atMs) {
      if (!retries.tryWithdraw(atMs)) return false;
      paid += 1;
      hasPaid = true;
      stats.paidRetries += 1;
      return true;
    },
    hedge: (atMs) => scenario.hedgePerSecond > 0 && hedges.tryWithdraw(atMs),
    check() {
      checks.passed(1);
      if (!hasPaid) return;
      hasPaid = false;
      const seconds = (actor.now() - startedMs) / 1000 + 1;
      if (paid > requests * 0.2 + 10 * seconds)
        checks.check(12, false, () => `${paid} retries of ${requests} requests`);
    },
  };
}
