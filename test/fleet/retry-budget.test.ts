import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';

describe('the retry budget', () => {
  it.each([1, 5, 20, 100, 1000])(
    'makes at most 1.2 attempts a request of a pool that fails altogether at %i requests a second',
    (rate) => {
      const budget = createRetryBudget();
      // It had gone well before.
      for (let atMs = 0; atMs < 30_000; atMs += 100) budget.succeed(atMs);
      let retries = 0;
      for (let request = 1; request <= 2000; request += 1) {
        const atMs = 30_000 + (request * 1000) / rate;
        budget.deposit(atMs);
        for (let attempt = 0; attempt < 5; attempt += 1) if (budget.tryWithdraw(atMs)) retries += 1;
        expect(retries).toBeLessThanOrEqual(Math.max(10, 0.2 * request + 1e-6));
      }
      expect(retries).toBeGreaterThan(390);
    },
  );

  it('gives ten a second besides as long as anything succeeds', () => {
    const budget = createRetryBudget();
    let retries = 0;
    for (let atMs = 0; atMs < 10_000; atMs += 50) {
      budget.succeed(atMs);
      if (budget.tryWithdraw(atMs)) retries += 1;
    }
    expect(retries).toBeGreaterThan(100);
    expect(retries).toBeLessThanOrEqual(110);
  });

  it('gives a lonely request a second chance, and another after a success', () => {
    const budget = createRetryBudget({ minPerSecond: 1 });
    budget.deposit(0);
    expect([budget.tryWithdraw(0), budget.tryWithdraw(0)]).toEqual([true, false]);
    budget.deposit(600_000);
    expect(budget.tryWithdraw(600_000)).toBe(false);
    budget.succeed(601_000);
    expect(budget.tryWithdraw(602_000)).toBe(true);
  });

  it('forgets what was earned once the window has passed', () => {
    const budget = createRetryBudget({ minPerSecond: 0 });
    for (let n = 0; n < 100; n += 1) budget.deposit(0);
    expect(budget.balance(9000)).toBeCloseTo(20);
    expect(budget.balance(10_000)).toBe(0);
  });

  it('never gives more than the share and the seconds, whatever the order', () => {
    const what = fc.constantFrom('deposit', 'succeed', 'withdraw', 'withdraw');
    const events = fc.array(fc.record({ gapMs: fc.nat(400), what }), { maxLength: 400 });
    fc.assert(
      fc.property(events, (list) => {
        const budget = createRetryBudget();
        let atMs = 0;
        let requests = 0;
        let retries = 0;
        for (const { gapMs, what: next } of list) {
          atMs += gapMs;
          if (next === 'deposit') {
            budget.deposit(atMs);
            requests += 1;
          } else if (next === 'succeed') budget.succeed(atMs);
          else if (budget.tryWithdraw(atMs)) retries += 1;
          expect(retries).toBeLessThanOrEqual(requests * 0.2 + 10 * (atMs / 1000 + 1) + 1e-6);
        }
      }),
    );
  });
});
