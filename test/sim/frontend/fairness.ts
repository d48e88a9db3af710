/**
 * Promise 15: of two tenants that both wait all the time, neither is served much more than the other: twice the largest
 * prompt, or twice the weighted tokens that may be generated at once (virtual token counters, Sheng et al., OSDI 2024).
 */
import type { Checks } from '../invariants.js';
import type { Booked } from './admission-checks.js';

interface Tenant {
  served: number;
  waiting: number;
  /** Level of which all that it lets wait is; null: nothing waits, or it is of several. */
  level: number | null;
}

interface Pair {
  readonly a: Tenant;
  readonly b: Tenant;
  /** Difference when both began to wait. */
  from: number;
  level: number;
  bound: number;
}

const OUTPUT_WEIGHT = 2;

export function createFairness(
  checks: Checks,
  waiting: ReadonlyMap<number, Booked>,
  running: ReadonlyMap<number, Booked>,
) {
  const tenants = new Map<string, Tenant>();
  const pairs: Pair[] = [];

  function tenantOf(name: string): Tenant {
    const known = tenants.get(name);
    if (known !== undefined) return known;
    const made: Tenant = { served: 0, waiting: 0, level: null };
    for (const other of tenants.values()) pairs.push({ a: other, b: made, from: 0, level: -1, bound: 0 });
    tenants.set(name, made);
    return made;
  }

  /** Who waits, and in which class: a tenant served in another class is not what the promise is about. */
  function look(): { isMixed: boolean; largest: number } {
    for (const tenant of tenants.values()) tenant.level = null;
    const levels = new Set<number>();
    let largest = 0;
    for (const { tenant, level, promptTokens } of waiting.values()) {
      tenantOf(tenant).level = level;
      levels.add(level);
      largest = Math.max(largest, promptTokens);
    }
    for (const { level } of running.values()) levels.add(level);
    return { isMixed: levels.size > 1, largest };
  }

  function outputInFlight(): number {
    let sum = 0;
    for (const { expectedTokens, generated } of running.values()) sum += Math.max(expectedTokens, generated);
    return sum;
  }

  return {
    arrived(name: string): void {
      tenantOf(name).waiting += 1;
    },
    /** It waits no longer. Who has nothing left that waits is not owed anything. */
    gone(name: string): void {
      const tenant = tenantOf(name);
      tenant.waiting -= 1;
      if (tenant.waiting > 0) return;
      for (const pair of pairs) if (pair.a === tenant || pair.b === tenant) pair.level = -1;
    },
    /** Still among those that wait. */
    admitted({ tenant, promptTokens, expectedTokens }: Booked): void {
      const own = tenantOf(tenant);
      if (tenants.size > 1 && waiting.size > 1) {
        const { isMixed, largest } = look();
        const output = OUTPUT_WEIGHT * (outputInFlight() + expectedTokens);
        for (const pair of pairs) {
          const { a, b } = pair;
          const difference = a.served - b.served;
          if (isMixed || a.level === null || a.level !== b.level) {
            pair.level = -1;
            continue;
          }
          if (pair.level !== a.level) Object.assign(pair, { level: a.level, from: difference, bound: 0 });
          pair.bound = Math.max(pair.bound, 2 * Math.max(largest, output) + largest);
          checks.check(
            15,
            Math.abs(difference - pair.from) <= pair.bound,
            () => `tenants ${difference - pair.from} tokens apart, more than ${pair.bound}`,
          );
        }
      } else for (const pair of pairs) pair.level = -1;
      own.served += promptTokens;
    },
    served(tenant: string): void {
      tenantOf(tenant).served += OUTPUT_WEIGHT;
    },
  };
}
