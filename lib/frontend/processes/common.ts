/** What counts in all processes alike, and what one that comes later is told of it. */
import type { Thresholds } from '../../fleet/admission/thresholds.js';
import { createQuarantine } from '../../fleet/quarantine.js';
import { monoMs } from '../../native/clock.js';
import { type BudgetUse, MAX_ITEMS, type ToProcess } from './messages.js';

export interface Told {
  send(message: ToProcess): void;
}

export interface Common {
  /** Not sent: who asked for it waits until all have answered. */
  setThresholds(model: string, change: Partial<Thresholds>): void;
  poison(from: Told, hash: string): void;
  spend(from: Told, use: BudgetUse): void;
  /** Probes say so. */
  announce(): void;
  /** And what comes is refused. */
  drain(): void;
  resume(): void;
  /** All of that, before its first request. */
  tell(newcomer: Told): void;
}

/** Of a retry budget: what was earned and spent earlier counts no more. */
const WINDOW_MS = 10_000;

export function createCommon(all: () => Iterable<Told>, now: () => number = monoMs): Common {
  const thresholds = new Map<string, Partial<Thresholds>>();
  const quarantine = createQuarantine();
  /** By second. */
  const uses = new Map<number, BudgetUse>();
  let stage: 'announce' | 'drain' | null = null;

  function toAll(message: ToProcess, except?: Told): void {
    for (const each of all()) if (each !== except) each.send(message);
  }

  function recentUse(): BudgetUse {
    const fromSecond = (now() - WINDOW_MS) / 1000;
    for (const second of [...uses.keys()]) if (second < fromSecond) uses.delete(second);
    return [...uses.values()].reduce(sum, { deposits: 0, withdrawals: [0, 0] });
  }

  return {
    setThresholds: (model, change) => void thresholds.set(model, { ...thresholds.get(model), ...change }),
    poison(from, hash) {
      quarantine.add(hash, now());
      toAll({ type: 'poison', hashes: [[hash, 0]] }, from);
    },
    spend(from, use) {
      const second = Math.floor(now() / 1000);
      if (!uses.has(second)) recentUse();
      const known = uses.get(second);
      uses.set(second, known === undefined ? use : sum(known, use));
      toAll({ type: 'budget', use }, from);
    },
    announce() {
      stage = 'announce';
      toAll({ type: 'announce' });
    },
    drain() {
      stage = 'drain';
      toAll({ type: 'drain' });
    },
    resume() {
      stage = null;
      toAll({ type: 'resume' });
    },
    tell(newcomer) {
      for (const [model, change] of thresholds) newcomer.send({ type: 'thresholds', id: 0, model, change });
      const hashes = quarantine.ages(now());
      for (let i = 0; i < hashes.length; i += MAX_ITEMS)
        newcomer.send({ type: 'poison', hashes: hashes.slice(i, i + MAX_ITEMS) });
      newcomer.send({ type: 'budget', use: recentUse() });
      if (stage !== null) newcomer.send({ type: stage });
    },
  };
}

function sum(a: BudgetUse, b: BudgetUse): BudgetUse {
  const { deposits, withdrawals } = b;
  return {
    deposits: a.deposits + deposits,
    withdrawals: [a.withdrawals[0] + withdrawals[0], a.withdrawals[1] + withdrawals[1]],
  };
}
