/**
 * Requests that wait, by class and tenant. Between tenants the one that has had the fewest tokens is next (virtual token
 * counters, Sheng et al., OSDI 2024); within a tenant first come first served, and last come first served while the pool is
 * overloaded, since the oldest are the ones that will be too late. See docs/fleet/admission.md.
 */
export interface Waiting {
  readonly id: number;
  readonly tenant: string;
  /** Index of its class; 0 is served first. */
  readonly level: number;
  /** Tokens to prefill and expected to be generated. */
  readonly tokens: number;
  readonly bytes: number;
  readonly sinceMs: number;
  /** Time at which it is rejected instead of served. */
  readonly untilMs: number;
  readonly isDeadline: boolean;
}

export interface FairQueue {
  readonly length: number;
  readonly bytes: number;
  /** Tokens of all that wait. */
  readonly tokens: number;
  lengthOf(level: number): number;
  push(waiting: Waiting): void;
  /** Who is next in a class; null: nobody. */
  peek(level: number, newestFirst: boolean): Waiting | null;
  remove(id: number): Waiting | null;
  /** Everybody who matches, removed; oldest first. */
  take(matches: (waiting: Waiting) => boolean): readonly Waiting[];
  /** The earliest `untilMs`; Infinity: nobody waits. */
  nextExpiryMs(): number;
  /** The longest wait in a class began then; Infinity: nobody waits. */
  oldestMs(level: number): number;
  /** Tokens that a tenant was served: prompt tokens count once, generated ones twice. */
  charge(tenant: string, promptTokens: number, generatedTokens: number): void;
  /** Requests of a tenant that run. A tenant without any, and without any that wait, saves up no claims. */
  running(tenant: string, change: 1 | -1): void;
  /** What a tenant has had; for tests and metrics. */
  counter(tenant: string): number;
}

interface Tenant {
  counter: number;
  running: number;
  readonly levels: Waiting[][];
}

const INPUT_WEIGHT = 1;
const OUTPUT_WEIGHT = 2;

export function createFairQueue(levels: number): FairQueue {
  const tenants = new Map<string, Tenant>();
  const byId = new Map<number, Waiting>();
  let bytes = 0;
  let tokens = 0;

  const isActive = ({ running, levels: queues }: Tenant): boolean =>
    running > 0 || queues.some(({ length }) => length > 0);

  function tenantOf(name: string): Tenant {
    const known = tenants.get(name);
    if (known !== undefined) return known;
    const tenant: Tenant = { counter: 0, running: 0, levels: Array.from({ length: levels }, () => []) };
    tenants.set(name, tenant);
    return tenant;
  }

  /** Who comes back after a rest starts where the others are, not where it left. */
  function lift(tenant: Tenant): void {
    let least = Number.POSITIVE_INFINITY;
    for (const other of tenants.values())
      if (other !== tenant && isActive(other)) least = Math.min(least, other.counter);
    if (Number.isFinite(least)) tenant.counter = Math.max(tenant.counter, least);
  }

  function forget(waiting: Waiting): void {
    byId.delete(waiting.id);
    bytes -= waiting.bytes;
    tokens -= waiting.tokens;
    tidy(waiting.tenant);
  }

  /** A tenant that has nothing here any more is lifted anyway when it comes back. */
  function tidy(name: string): void {
    const tenant = tenants.get(name);
    if (tenant !== undefined && !isActive(tenant)) tenants.delete(name);
  }

  function remove(id: number): Waiting | null {
    const waiting = byId.get(id);
    if (waiting === undefined) return null;
    const queue = tenantOf(waiting.tenant).levels[waiting.level];
    queue?.splice(queue.indexOf(waiting), 1);
    forget(waiting);
    return waiting;
  }

  return {
    get length() {
      return byId.size;
    },
    get bytes() {
      return bytes;
    },
    get tokens() {
      return tokens;
    },
    lengthOf(level) {
      let length = 0;
      for (const tenant of tenants.values()) length += tenant.levels[level]?.length ?? 0;
      return length;
    },
    push(waiting) {
      const tenant = tenantOf(waiting.tenant);
      if (!isActive(tenant)) lift(tenant);
      tenant.levels[waiting.level]?.push(waiting);
      byId.set(waiting.id, waiting);
      bytes += waiting.bytes;
      tokens += waiting.tokens;
    },
    peek(level, newestFirst) {
      let next: Tenant | null = null;
      for (const tenant of tenants.values()) {
        if ((tenant.levels[level]?.length ?? 0) === 0) continue;
        if (next === null || tenant.counter < next.counter) next = tenant;
      }
      const queue = next?.levels[level];
      return (newestFirst ? queue?.at(-1) : queue?.[0]) ?? null;
    },
    remove,
    take(matches) {
      const taken = [...byId.values()].filter(matches);
      for (const { id } of taken) remove(id);
      return taken;
    },
    nextExpiryMs() {
      let next = Number.POSITIVE_INFINITY;
      for (const { untilMs } of byId.values()) next = Math.min(next, untilMs);
      return next;
    },
    oldestMs(level) {
      let oldest = Number.POSITIVE_INFINITY;
      for (const waiting of byId.values())
        if (waiting.level === level) oldest = Math.min(oldest, waiting.sinceMs);
      return oldest;
    },
    charge(name, promptTokens, generatedTokens) {
      const tenant = tenants.get(name);
      if (tenant !== undefined)
        tenant.counter += INPUT_WEIGHT * promptTokens + OUTPUT_WEIGHT * generatedTokens;
    },
    running(name, change) {
      const tenant = tenantOf(name);
      if (change === 1 && !isActive(tenant)) lift(tenant);
      tenant.running += change;
      tidy(name);
    },
    counter: (name) => tenants.get(name)?.counter ?? 0,
  };
}
