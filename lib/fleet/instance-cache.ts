/**
 * What a router knows of the workers that are registered. Lists are the truth and watches are hints; nothing is removed
 * while the store cannot be heard, and nothing that still works because of a store that has lost its data.
 * See docs/fleet/instance-cache.md.
 */
import { equalJitterMs } from './backoff.js';
import type { WorkerRef } from './types.js';
import { lifeOf } from './worker-ref.js';

export interface Instance {
  readonly ref: WorkerRef;
  readonly state: 'serving' | 'draining';
  /** Whatever else the record holds. */
  readonly data: unknown;
}

export interface StoredInstance {
  readonly key: string;
  readonly instance: Instance;
  /** Revision of the last change of this key. */
  readonly revision: number;
}

export type CacheEvent = {
  readonly atMs: number;
  /** 0 ≤ r < 1 */
  readonly random: number;
} & (
  | { readonly type: 'start' }
  /** @param store identity of the store's data: another one is another history, with revisions of its own */
  | {
      readonly type: 'listed';
      readonly store: string;
      readonly revision: number;
      /** Rises with each leader of the store, as etcd's `raft_term`; left out: unknown. */
      readonly term?: number;
      readonly items: readonly StoredInstance[];
    }
  | { readonly type: 'list_failed' }
  | {
      readonly type: 'watched';
      readonly store: string;
      readonly revision: number;
      readonly puts: readonly StoredInstance[];
      readonly deletes: readonly string[];
    }
  /** The watch has ended, was compacted away, or has a hole. */
  | { readonly type: 'watch_lost' }
  | { readonly type: 'tick' }
);

export type CacheEffect =
  | { readonly type: 'list' }
  | { readonly type: 'watch'; readonly fromRevision: number }
  | { readonly type: 'added'; readonly instance: Instance }
  | { readonly type: 'changed'; readonly instance: Instance }
  | { readonly type: 'removed'; readonly instance: Instance }
  /** So many that still work have disappeared from the store at once that nobody is believed for a while. */
  | { readonly type: 'mass_removal'; readonly missing: number; readonly known: number };

export interface InstanceCache {
  readonly isSynced: boolean;
  /** Revision of the last list or watch event that was applied. */
  readonly revision: number;
  /** When the store was last heard, monotonic milliseconds; -Infinity: never. */
  readonly heardMs: number;
  instances(): readonly Instance[];
  step(event: CacheEvent): readonly CacheEffect[];
  nextTimerMs(): number;
}

export interface InstanceCacheOptions {
  /** Whether this worker still works: then its disappearance is doubted for as long as it does, up to `doubtMs`. */
  readonly isHealthy: (ref: WorkerRef, atMs: number) => boolean;
  /** TTL of the leases. Default 10 000. */
  readonly ttlMs?: number;
  /**
   * How long a worker that works stays without being in the store: a second primary that its side of the network had, or data
   * that was lost, is no reason to lose it. Counts only while the store is heard. Default 10 TTLs.
   */
  readonly doubtMs?: number;
  /** Complete list although the watch says nothing is amiss, ± 20 %. Default 300 000. */
  readonly relistMs?: number;
}

interface Known extends StoredInstance {
  /** Missing in the store since; null: it is there. */
  readonly missingSinceMs: number | null;
}

const BACKOFF_BASE_MS = 250;
const BACKOFF_CAP_MS = 5000;
/** Incarnations that another one of the same worker has replaced; a straggler's write does not bring them back. */
const MAX_REPLACED = 10_000;
/** A store that has said less than is known for so long has gone back, and does not lag behind. */
const LAG_TTLS = 10;
const DOUBT_TTLS = 10;
const NEVER = Number.POSITIVE_INFINITY;

export function createInstanceCache(options: InstanceCacheOptions): InstanceCache {
  const { isHealthy, ttlMs = 10_000, relistMs = 300_000 } = options;
  const { doubtMs = DOUBT_TTLS * ttlMs } = options;
  const known = new Map<string, Known>();
  const replaced = new Set<string>();
  let store: string | null = null;
  let revision = 0;
  let term = 0;
  let behindSinceMs: number | null = null;
  let isSynced = false;
  let heardMs = Number.NEGATIVE_INFINITY;
  let isListing = false;
  let listAtMs = NEVER;
  let failures = 0;
  /** Until then nothing that works is removed. */
  let holdUntilMs = Number.NEGATIVE_INFINITY;

  function list(out: CacheEffect[]): void {
    if (isListing) return;
    isListing = true;
    listAtMs = NEVER;
    out.push({ type: 'list' });
  }

  function listLater(atMs: number, random: number): void {
    isListing = false;
    listAtMs = atMs + equalJitterMs(BACKOFF_BASE_MS, failures, BACKOFF_CAP_MS, random);
    failures += 1;
  }

  /** @param isList a list is the truth, whatever another history said of the key before */
  function put(item: StoredInstance, isList: boolean, out: CacheEffect[]): void {
    const { key, instance } = item;
    if (replaced.has(lifeOf(instance.ref))) return;
    const before = known.get(key);
    if (!isList && before !== undefined && before.revision > item.revision) return;
    known.set(key, { ...item, missingSinceMs: null });
    if (before === undefined) {
      out.push({ type: 'added', instance });
      return;
    }
    if (before.instance.ref.incarnation !== instance.ref.incarnation) {
      replaced.add(lifeOf(before.instance.ref));
      const [oldest] = replaced;
      if (replaced.size > MAX_REPLACED && oldest !== undefined) replaced.delete(oldest);
      out.push({ type: 'removed', instance: before.instance }, { type: 'added', instance });
    } else if (before.revision !== item.revision) out.push({ type: 'changed', instance });
  }

  function remove(key: string, out: CacheEffect[]): void {
    const gone = known.get(key);
    if (gone === undefined) return;
    known.delete(key);
    out.push({ type: 'removed', instance: gone.instance });
  }

  /** These are not in the store: those that leave or do not work go at once, the others are doubted to be gone. */
  function miss(keys: readonly string[], atMs: number, out: CacheEffect[]): void {
    const doubted = keys.filter((key) => {
      const entry = known.get(key);
      return entry?.instance.state === 'serving' && isHealthy(entry.instance.ref, atMs);
    });
    const total = known.size;
    for (const key of keys) if (!doubted.includes(key)) remove(key, out);
    const fresh = doubted.filter((key) => known.get(key)?.missingSinceMs === null);
    if (fresh.length >= 2 && fresh.length > total / 2) {
      holdUntilMs = Math.max(holdUntilMs, atMs + ttlMs);
      out.push({ type: 'mass_removal', missing: fresh.length, known: total });
    }
    for (const key of fresh) {
      const entry = known.get(key);
      if (entry !== undefined) known.set(key, { ...entry, missingSinceMs: atMs });
    }
  }

  /** Only what a list has just confirmed to be missing, and only after its time. */
  function removeOverdue(atMs: number, out: CacheEffect[]): void {
    if (atMs < holdUntilMs) return;
    for (const [key, { missingSinceMs }] of known)
      if (missingSinceMs !== null && atMs - missingSinceMs >= doubtMs) remove(key, out);
  }

  /** Less than is known, but of a later leader: what was known is of a history that has been cut off. */
  function hasGoneBack({ revision: told, term: ofTerm = 0, atMs }: CacheEvent & { type: 'listed' }): boolean {
    if (told >= revision) return false;
    return ofTerm > term || (behindSinceMs !== null && atMs - behindSinceMs >= LAG_TTLS * ttlMs);
  }

  /** Nobody could come back in the meantime, so that the time of those that are missing begins anew. */
  function hearAgain(atMs: number): void {
    for (const [key, entry] of known)
      if (entry.missingSinceMs !== null) known.set(key, { ...entry, missingSinceMs: atMs });
  }

  function listed(event: CacheEvent & { type: 'listed' }, out: CacheEffect[]): void {
    const { atMs, items } = event;
    const isOtherStore = (store !== null && event.store !== store) || hasGoneBack(event);
    if (!isOtherStore && event.revision < revision) {
      // A member that lags behind: what it does not know yet is not missing.
      behindSinceMs ??= atMs;
      listLater(atMs, event.random);
      return;
    }
    behindSinceMs = null;
    isListing = false;
    heardMs = atMs;
    failures = 0;
    if (isOtherStore) {
      // The data was lost or restored. Workers need a moment to register again, and old revisions mean nothing.
      holdUntilMs = Math.max(holdUntilMs, atMs + ttlMs);
      for (const [key, entry] of known) known.set(key, { ...entry, revision: -1 });
    }
    store = event.store;
    revision = event.revision;
    term = Math.max(term, event.term ?? 0);
    if (!isSynced) hearAgain(atMs);
    for (const item of items) put(item, true, out);
    const present = new Set(items.map(({ key }) => key));
    miss(
      [...known.keys()].filter((key) => !present.has(key)),
      atMs,
      out,
    );
    removeOverdue(atMs, out);
    isSynced = true;
    out.push({ type: 'watch', fromRevision: revision + 1 });
    listAtMs = Math.min(atMs + relistMs * (0.8 + 0.4 * event.random), confirmAtMs(atMs));
  }

  /** When a list should look after what is missing: who does not work any more by then goes. */
  function confirmAtMs(atMs: number): number {
    for (const { missingSinceMs } of known.values())
      if (missingSinceMs !== null) return Math.max(atMs + ttlMs, holdUntilMs);
    return NEVER;
  }

  function watched(event: CacheEvent & { type: 'watched' }, out: CacheEffect[]): void {
    if (!isSynced || event.store !== store) return;
    heardMs = event.atMs;
    if (event.revision <= revision) return;
    revision = event.revision;
    for (const item of event.puts) put(item, false, out);
    miss(
      event.deletes.filter((key) => known.has(key)),
      event.atMs,
      out,
    );
    listAtMs = Math.min(listAtMs, confirmAtMs(event.atMs));
  }

  return {
    get isSynced() {
      return isSynced;
    },
    get revision() {
      return revision;
    },
    get heardMs() {
      return heardMs;
    },
    instances: () => [...known.values()].map(({ instance }) => instance),
    step(event) {
      const out: CacheEffect[] = [];
      switch (event.type) {
        case 'start':
          list(out);
          break;
        case 'listed':
          listed(event, out);
          break;
        case 'list_failed':
          isSynced = false;
          listLater(event.atMs, event.random);
          break;
        case 'watched':
          watched(event, out);
          break;
        case 'watch_lost':
          isSynced = false;
          if (!isListing) listLater(event.atMs, event.random);
          break;
        case 'tick':
          if (event.atMs >= listAtMs) list(out);
          break;
      }
      return out;
    },
    nextTimerMs: () => listAtMs,
  };
}
