/** Many seeds, one after the other, in one thread. */
import { makeScenario } from './make-scenario.js';
import type { Profile } from './scenario.js';
import { simulate } from './simulate.js';
import { addStats, emptyStats, type Stats } from './stats.js';
import type { Machines } from './world.js';

export interface Batch {
  scenarios: number;
  events: number;
  checks: number;
  virtualMs: number;
  failed: { seed: number; violation: string }[];
  stats: Stats;
}

export function emptyBatch(): Batch {
  return { scenarios: 0, events: 0, checks: 0, virtualMs: 0, failed: [], stats: emptyStats() };
}

/** Seeds `from`, `from + step`, … below `until`. */
export function runSeeds(
  { from, until, step }: { from: number; until: number; step: number },
  profile: Profile = {},
  machines: Partial<Machines> = {},
): Batch {
  const batch = emptyBatch();
  for (let seed = from; seed < until; seed += step) {
    const { violation, events, checks, virtualMs, stats } = simulate(makeScenario(seed, profile), machines);
    batch.scenarios += 1;
    batch.events += events;
    batch.checks += checks;
    batch.virtualMs += virtualMs;
    addStats(batch.stats, stats);
    if (violation !== null)
      batch.failed.push({
        seed,
        violation: `${violation.invariant} (${violation.name}) at ${violation.atMs.toFixed(1)} ms: ${violation.detail}`,
      });
  }
  return batch;
}

export function addBatch(sum: Batch, more: Batch): void {
  sum.scenarios += more.scenarios;
  sum.events += more.events;
  sum.checks += more.checks;
  sum.virtualMs += more.virtualMs;
  sum.failed.push(...more.failed);
  addStats(sum.stats, more.stats);
}
