/**
 * Requests that wait, by class and tenant. Between tenants the one that has been served the fewest tokens is next; within a
 * tenant first come first served, and last come first served while the pool is overloaded, since the oldest are the ones
 * that will be too late. Every change costs O(log n). See docs/fleet/admission.md.
 */
import type { Mutable } from '../mutable.js';
import type { FairQueue, Waiting } from './fair-queue-types.js';
import { createHeap, type Heap, type HeapNode } from './heap.js';
import { createList, type List, type ListNode } from './list.js';
import { createTenants, type Tenant } from './tenants.js';

export type * from './fair-queue-types.js';

/** Those of one tenant in one class. Its key is its tenant's counter, or an older and so lower value of it. */
interface Lane extends HeapNode {
  readonly tenant: Tenant;
  readonly entries: List<Entry>;
  readonly sum: Sum;
}

interface Level {
  readonly lanes: Heap<Lane>;
  readonly byTenant: Map<string, Lane>;
  readonly entries: List<Entry>;
  readonly sum: Sum;
}

interface Sum {
  length: number;
  prefillTokens: number;
  tokens: number;
}

/** Its key is `untilMs`. */
interface Entry extends HeapNode {
  readonly waiting: Waiting;
  readonly lane: Lane;
  inLane: ListNode<Entry> | null;
  inLevel: ListNode<Entry> | null;
}

const INPUT_WEIGHT = 1;
const OUTPUT_WEIGHT = 2;

const nothing = (): Sum => ({ length: 0, prefillTokens: 0, tokens: 0 });

function add(sum: Sum, { prefillTokens, tokens }: Waiting, sign: 1 | -1): void {
  sum.length += sign;
  sum.prefillTokens += sign * prefillTokens;
  sum.tokens += sign * tokens;
}

export function createFairQueue(classes: number): FairQueue {
  const tenants = createTenants();
  const levels = Array.from(
    { length: classes },
    (): Level => ({ lanes: createHeap(), byTenant: new Map(), entries: createList(), sum: nothing() }),
  );
  const byId = new Map<number, Entry>();
  const expiries = createHeap<Entry>();
  let lastServed: Tenant | null = null;

  const levelAt = (level: number): Level => levels[level] as Level;

  /** The lane whose tenant has been served least. Counters only grow, so that outdated keys are corrected from the top. */
  function leastServed({ lanes }: Level): Lane | null {
    for (let lane = lanes.first(); lane !== null; lane = lanes.first()) {
      if (lane.key === lane.tenant.counter) return lane;
      lane.key = lane.tenant.counter;
      lanes.update(lane);
    }
    return null;
  }

  /** Who comes or comes back starts where those are that wait, or with an empty queue where the last one is that was served. */
  function floor(): number {
    if (byId.size === 0) return lastServed?.counter ?? 0;
    let least = Number.POSITIVE_INFINITY;
    for (const level of levels)
      least = Math.min(least, leastServed(level)?.tenant.counter ?? Number.POSITIVE_INFINITY);
    return least;
  }

  function laneOf(waiting: Waiting, tenant: Tenant): Lane {
    const { lanes, byTenant } = levelAt(waiting.level);
    const known = byTenant.get(tenant.name);
    if (known !== undefined) return known;
    const lane: Lane = { tenant, entries: createList(), sum: nothing(), key: tenant.counter, index: -1 };
    byTenant.set(tenant.name, lane);
    lanes.push(lane);
    return lane;
  }

  function remove(id: number): Entry | null {
    const entry = byId.get(id);
    if (entry === undefined) return null;
    const { waiting, lane, inLane, inLevel } = entry;
    const level = levelAt(waiting.level);
    byId.delete(id);
    expiries.remove(entry);
    queue.length = byId.size;
    queue.bytes -= waiting.bytes;
    queue.tokens -= waiting.tokens;
    add(level.sum, waiting, -1);
    add(lane.sum, waiting, -1);
    if (inLane !== null) lane.entries.remove(inLane);
    if (inLevel !== null) level.entries.remove(inLevel);
    if (lane.sum.length === 0) {
      level.lanes.remove(lane);
      level.byTenant.delete(waiting.tenant);
    }
    lane.tenant.queued -= 1;
    return entry;
  }

  const queue: Mutable<FairQueue> = {
    length: 0,
    bytes: 0,
    tokens: 0,
    tenants: tenants.size,
    has: (id) => byId.has(id),
    lengthOf: (level) => levels[level]?.sum.length ?? 0,
    push(waiting) {
      const tenant = tenants.enter(waiting.tenant);
      if (tenant.queued === 0) tenant.counter = Math.max(tenant.counter, floor());
      tenant.queued += 1;
      const level = levelAt(waiting.level);
      const lane = laneOf(waiting, tenant);
      const entry: Entry = { waiting, lane, inLane: null, inLevel: null, key: waiting.untilMs, index: -1 };
      entry.inLane = lane.entries.push(entry);
      entry.inLevel = level.entries.push(entry);
      expiries.push(entry);
      byId.set(waiting.id, entry);
      queue.length = byId.size;
      queue.bytes += waiting.bytes;
      queue.tokens += waiting.tokens;
      add(level.sum, waiting, 1);
      add(lane.sum, waiting, 1);
    },
    peek(level, newestFirst) {
      const entries = leastServed(levelAt(level))?.entries;
      return (newestFirst ? entries?.last() : entries?.first())?.waiting ?? null;
    },
    oldest: (level) => levels[level]?.entries.first()?.waiting ?? null,
    nextToExpire: () => expiries.first()?.waiting ?? null,
    ahead(tenant, own, newestFirst) {
      let prefillTokens = 0;
      let all = 0;
      for (let above = 0; above < own; above += 1) {
        prefillTokens += levelAt(above).sum.prefillTokens;
        all += levelAt(above).sum.tokens;
      }
      const { sum, byTenant, lanes } = levelAt(own);
      const lane = byTenant.get(tenant)?.sum;
      if (newestFirst || lane === undefined) return { prefillTokens, tokens: all };
      return {
        prefillTokens: prefillTokens + Math.min(sum.prefillTokens, lane.prefillTokens * lanes.size()),
        tokens: all + Math.min(sum.tokens, lane.tokens * lanes.size()),
      };
    },
    remove(id) {
      const entry = remove(id);
      if (entry === null) return null;
      tenants.settle(entry.lane.tenant, floor());
      return entry.waiting;
    },
    admit(id) {
      const entry = remove(id);
      if (entry === null) return null;
      const { tenant } = entry.lane;
      tenant.running += 1;
      tenant.counter += INPUT_WEIGHT * entry.waiting.promptTokens;
      lastServed = tenant;
      return entry.waiting;
    },
    charge(name, generatedTokens) {
      const tenant = tenants.get(name);
      if (tenant !== null) tenant.counter += OUTPUT_WEIGHT * generatedTokens;
    },
    release(name) {
      const tenant = tenants.get(name);
      if (tenant === null) return;
      tenant.running -= 1;
      tenants.settle(tenant, floor());
    },
    counter: (name) => tenants.get(name)?.counter ?? 0,
  };
  return queue;
}
