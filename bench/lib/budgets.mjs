// Holds what was measured against budgets.json.
//
// An entry: `limit` is what the design or the documents demand; `accepted` is what was reached when it was last looked
// at and `tolerance` the share by which it may drift. Full runs fail over either: a regression inside the limit is one.
// `atLeast: true` turns the comparison round. Smoke runs are too short for ratios to settle: their
// bounds are wider by `smokeFactor`, the entry's own or the one at the top.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

const file = join(root, 'bench', 'budgets.json');

/** Takes what was measured as the new `accepted` of every budget of these questions. */
export function accept(measuresOf) {
  const budgets = readBudgets();
  for (const [question, measures] of measuresOf) {
    for (const [key, entry] of Object.entries(budgets.questions[question] ?? {})) {
      // Maxima are a matter of chance: only their limit counts.
      if (typeof measures[key] === 'number' && entry.tolerance !== undefined)
        entry.accepted = Number(measures[key].toPrecision(3));
    }
  }
  writeFileSync(file, `${JSON.stringify(budgets, null, 2)}\n`);
}

export function readBudgets() {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Largest (or, with `atLeast`, smallest) value that passes. */
export function allowed(entry, factor) {
  const drift = 1 + (entry.tolerance ?? 0);
  const bounds = [];
  if (entry.limit !== undefined) bounds.push(entry.atLeast ? entry.limit / factor : entry.limit * factor);
  if (entry.accepted !== undefined)
    bounds.push(entry.atLeast ? entry.accepted / drift / factor : entry.accepted * drift * factor);
  return entry.atLeast ? Math.max(...bounds) : Math.min(...bounds);
}

/**
 * @param {Record<string, object>} entries of one question
 * @param {Record<string, number | { skipped: string }>} measures
 * @returns one row per budget: `state` is 'met', 'over', 'skipped' or 'missing'
 */
export function compare(entries, measures, { isSmoke, smokeFactor }) {
  return Object.entries(entries)
    .filter(([key]) => !isSmoke || key in measures)
    .map(([key, entry]) => {
      const value = measures[key];
      const bound = allowed(entry, isSmoke ? (entry.smokeFactor ?? smokeFactor) : 1);
      const row = { key, entry, value, bound };
      if (value === undefined) return { ...row, state: 'missing' };
      if (typeof value !== 'number') return { ...row, state: 'skipped' };
      const isMet = entry.atLeast ? value >= bound : value <= bound;
      return { ...row, state: isMet ? 'met' : 'over' };
    });
}
