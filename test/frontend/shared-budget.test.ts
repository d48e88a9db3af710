import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createCommon } from '../../lib/frontend/processes/common.js';
import type { ToProcess } from '../../lib/frontend/processes/messages.js';
import { createSharedBudget, type SharedBudget } from '../../lib/frontend/processes/shared-budget.js';

const RESERVE = 10;
const RATIO = 0.2;

/** Each tells the others what it has spent; `late` of them are told only at the next exchange. */
function exchange(budgets: readonly SharedBudget[], onTheWay: (() => void)[], nowMs: number): void {
  for (const arrive of onTheWay.splice(0)) arrive();
  const uses = budgets.map((budget) => budget.take());
  uses.forEach((use, from) => {
    budgets.forEach((budget, to) => {
      if (to !== from) onTheWay.push(() => budget.add(use, nowMs));
    });
  });
}

it('several processes spend no more than the one budget that they share, whenever they hear of each other', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('request', 'retry'), at: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('exchange', 'arrive'), at: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 4 }),
      fc.array(step, { minLength: 50, maxLength: 100 }),
      (processes, steps) => {
        const budgets = Array.from({ length: processes }, () => createSharedBudget(processes));
        const onTheWay: (() => void)[] = [];
        let requests = 0;
        let retries = 0;
        for (const { kind, at } of steps) {
          const budget = budgets[at % processes] as SharedBudget;
          if (kind === 'exchange') exchange(budgets, onTheWay, 0);
          else if (kind === 'arrive') for (const arrive of onTheWay.splice(0)) arrive();
          else if (kind === 'request') {
            requests += 1;
            budget.deposit(0);
          } else if (budget.tryWithdraw(0)) retries += 1;
        }
        expect(retries).toBeLessThanOrEqual(RESERVE + RATIO * requests + 1e-6);
      },
    ),
    { numRuns: 500 },
  );
});

it('what one has earned another may spend, and what one has spent the others may not', () => {
  const [one, two] = [createSharedBudget(2), createSharedBudget(2)] as const;
  const tell = (from: SharedBudget, to: SharedBudget): void => to.add(from.take(), 0);
  const spendAll = (budget: SharedBudget): number => {
    let count = 0;
    while (budget.tryWithdraw(0)) count += 1;
    return count;
  };
  // Half of it: the other one may be spending its half now.
  expect(spendAll(one)).toBe(5);
  tell(one, two);
  tell(two, one);
  // Once both have been told twice nothing is on its way any more.
  tell(one, two);
  const more = spendAll(two);
  expect(more).toBeGreaterThan(0);
  expect(5 + more).toBeLessThanOrEqual(10);
  for (let i = 0; i < 100; i += 1) two.deposit(0);
  expect(one.balance(0)).toBe(5);
  tell(two, one);
  expect(one.balance(0)).toBeGreaterThan(15);
});

it('a process that comes later is told what counts by then, and not what does so no more', () => {
  let nowMs = 0;
  const sent: ToProcess[][] = [[], []];
  const told = sent.map((list) => ({ send: (message: ToProcess) => void list.push(message) }));
  const [first = expect.fail(), second = expect.fail()] = told;
  const common = createCommon(
    () => told,
    () => nowMs,
  );
  const news = (): ToProcess[] => {
    const list: ToProcess[] = [];
    common.tell({ send: (message) => void list.push(message) });
    return list;
  };
  expect(news()).toEqual([{ type: 'budget', use: { deposits: 0, withdrawals: [0, 0] } }]);
  common.poison(first, 'old');
  common.spend(first, { deposits: 1, withdrawals: [1, 0] });
  expect(sent).toEqual([
    [],
    [
      { type: 'poison', hashes: [['old', 0]] },
      { type: 'budget', use: { deposits: 1, withdrawals: [1, 0] } },
    ],
  ]);
  nowMs = 599_000;
  common.poison(second, 'new');
  for (const withdrawals of [2, 3]) common.spend(second, { deposits: 10, withdrawals: [withdrawals, 1] });
  nowMs = 599_900;
  common.setThresholds('m', { activeDecodeBlocks: 0.5 });
  common.setThresholds('m', { activePrefillTokens: 7 });
  common.announce();
  expect(news()).toEqual([
    { type: 'thresholds', id: 0, model: 'm', change: { activeDecodeBlocks: 0.5, activePrefillTokens: 7 } },
    {
      type: 'poison',
      hashes: [
        ['old', 599_900],
        ['new', 900],
      ],
    },
    { type: 'budget', use: { deposits: 20, withdrawals: [5, 2] } },
    { type: 'announce' },
  ]);
  nowMs = 640_000;
  common.drain();
  expect(news().slice(1)).toEqual([
    { type: 'poison', hashes: [['new', 41_000]] },
    { type: 'budget', use: { deposits: 0, withdrawals: [0, 0] } },
    { type: 'drain' },
  ]);
  common.resume();
  expect(news()).toHaveLength(3);
});
