import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { INVARIANTS, type InvariantNumber } from './invariants.js';
import { makeScenario } from './make-scenario.js';
import { MUTANTS, type Mutant } from './mutants.js';
import { simulate } from './simulate.js';

const mutants: [string, Mutant][] = Object.entries(MUTANTS);
const MOST_SEEDS = 200;

/** The first seed with which it breaks the promise that it should. */
function firstCaught({ machines, profile, caughtBy }: Mutant): number | null {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    const scenario = makeScenario(seed, profile);
    if (simulate(scenario, machines).violation?.invariant === caughtBy) return seed;
  }
  return null;
}

describe('a defect of another system in our machines', () => {
  it.each(mutants)(
    '%s breaks a promise, and without it the promise holds',
    { timeout: 120_000 },
    (_name, mutant) => {
      const seed = firstCaught(mutant);
      expect(seed).not.toBeNull();
      expect(simulate(makeScenario(seed!, mutant.profile)).violation).toBeNull();
    },
  );

  it('stands in the table of docs/simulation.md with the promise that it breaks', () => {
    const page = readFileSync('docs/simulation.md', 'utf8');
    for (const [name, { defect, caughtBy }] of mutants)
      expect(page).toContain(
        `| \`${name}\` | ${defect} | ${caughtBy} ${INVARIANTS[caughtBy as InvariantNumber]} |`,
      );
  });
});
