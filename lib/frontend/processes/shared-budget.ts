import { createRetryBudget, type RetryBudget, type RetryBudgetOptions } from '../../fleet/retry-budget.js';

export interface SharedBudget extends RetryBudget {
  /** What this process has earned and spent since the last call. Calls are further apart than news are on their way. */
  take(): { readonly deposits: number; readonly withdrawals: number };
  /** What another process has. */
  add(use: { readonly deposits: number; readonly withdrawals: number }, atMs: number): void;
}

/**
 * One budget for several processes, each of which learns a little later what the others have spent. Until then each takes at
 * most its share of what is left, so that together they never spend more than there is.
 */
export function createSharedBudget(processes: number, options?: RetryBudgetOptions): SharedBudget {
  const budget = createRetryBudget(options);
  let deposits = 0;
  let withdrawals = 0;
  /** Of the period before: what the others spent in it may still be on its way. */
  let before = 0;
  return {
    deposit(atMs) {
      deposits += 1;
      budget.deposit(atMs);
    },
    tryWithdraw(atMs) {
      // The balance has this process's own withdrawals in it already; the others may have made as many.
      const left = budget.balance(atMs) - (processes - 1) * (withdrawals + before);
      if (left < processes || !budget.tryWithdraw(atMs)) return false;
      withdrawals += 1;
      return true;
    },
    succeed: budget.succeed,
    balance: budget.balance,
    take() {
      const use = { deposits, withdrawals };
      deposits = 0;
      before = withdrawals;
      withdrawals = 0;
      return use;
    },
    add(use, atMs) {
      for (let i = 0; i < use.deposits; i += 1) budget.deposit(atMs);
      for (let i = 0; i < use.withdrawals; i += 1) budget.tryWithdraw(atMs);
    },
  };
}
