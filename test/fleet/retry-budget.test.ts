import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';

describe('the retry budget', () => {
  it('lets a pool that fails altogether make few more attempts than requests', () => {
    const budget = createRetryBudget();
    let retries = 0;
    for (let request = 0; request < 10_000; request += 1) {
      budget.deposit(request);
      for (let attempt = 0; attempt < 5; attempt += 1) if (budget.tryWithdraw(request)) retries += 1;
    }
    // 10 s at 1,000 requests a second: a fifth of them, and 10 a second.
    expect(retries).toBeLessThanOrEqual(2000 + 110);
    expect(retries).toBeGreaterThan(2000);
  });

  it('earns again what it spent once the window has passed', () => {
    const budget = createRetryBudget({ minPerSecond: 1 });
    while (budget.tryWithdraw(0));
    expect(budget.tryWithdraw(1)).toBe(false);
    expect(budget.balance(30_999)).toBeCloseTo(9.999);
  });

  it('never gives more than the share of the window and the seconds, whatever the order', () => {
    const events = fc.array(fc.record({ gapMs: fc.nat(400), deposit: fc.boolean() }), { maxLength: 400 });
    fc.assert(
      fc.property(events, (list) => {
        const budget = createRetryBudget();
        let atMs = 0;
        let requests = 0;
        let retries = 0;
        for (const { gapMs, deposit } of list) {
          atMs += gapMs;
          if (deposit) {
            budget.deposit(atMs);
            requests += 1;
          } else if (budget.tryWithdraw(atMs)) retries += 1;
          expect(retries).toBeLessThanOrEqual(requests * 0.2 + 10 * (atMs / 1000 + 1) + 1);
        }
      }),
    );
  });
});
