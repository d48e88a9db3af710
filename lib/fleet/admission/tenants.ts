/**
 * What each tenant has been served, in weighted tokens (virtual token counters, Sheng et al., OSDI 2024). A tenant that
 * rests saves up no claims, and does not lose its debts either: otherwise a short pause would pay them.
 */
import { createHeap, type HeapNode } from './heap.js';

export interface Tenant extends HeapNode {
  readonly name: string;
  counter: number;
  running: number;
  queued: number;
}

export interface Tenants {
  /** How many are remembered. */
  size(): number;
  get(name: string): Tenant | null;
  /** The tenant, which has something here from now on. */
  enter(name: string): Tenant;
  /** It may have nothing here any more. @param floor counter below which it would be lifted when it comes back */
  settle(tenant: Tenant, floor: number): void;
}

/** Tenants at rest whose debts are remembered; names may come from clients, so that their number must have a bound. */
const MAX_AT_REST = 10_000;

export function createTenants(): Tenants {
  const byName = new Map<string, Tenant>();
  /** Least debt first. */
  const atRest = createHeap<Tenant>();

  function forget(tenant: Tenant): void {
    atRest.remove(tenant);
    byName.delete(tenant.name);
  }

  return {
    size: () => byName.size,
    get: (name) => byName.get(name) ?? null,
    enter(name) {
      const known = byName.get(name);
      if (known === undefined) {
        const tenant: Tenant = { name, counter: 0, running: 0, queued: 0, key: 0, index: -1 };
        byName.set(name, tenant);
        return tenant;
      }
      if (known.index >= 0) atRest.remove(known);
      return known;
    },
    settle(tenant, floor) {
      if (tenant.running === 0 && tenant.queued === 0 && tenant.index < 0) {
        tenant.key = tenant.counter;
        atRest.push(tenant);
      }
      for (let least = atRest.first(); least !== null; least = atRest.first()) {
        if (least.key > floor && atRest.size() <= MAX_AT_REST) return;
        forget(least);
      }
    },
  };
}
