/** What one primary of the store holds: revisions, leases, history, and who watches. */
import type { StoredInstance } from '../../lib/fleet/instance-cache.js';
import type { Kernel } from './kernel.js';
import type { Change, Listing } from './store.js';

interface Lease {
  readonly ttlMs: number;
  expiresMs: number;
}

interface Watcher {
  readonly change: (change: Change) => void;
  readonly lost: () => void;
}

type Item = StoredInstance & { readonly lease: string };

export interface StoreData {
  /** Rises with each leader. */
  term: number;
  isOut: boolean;
  listing(): Listing;
  grant(ttlMs: number): string;
  keep(lease: string): 'kept' | 'gone';
  put(lease: string, key: string, instance: StoredInstance['instance']): 'put' | 'gone';
  drop(lease: string): void;
  watch(fromRevision: number, watcher: Watcher): void;
  /** A new leader gives every lease its whole time again. */
  renew(): void;
  loseWatchers(): void;
  compact(): void;
  lose(): void;
  /** A second primary with the same data. */
  clone(): StoreData;
}

interface Held {
  readonly id: number;
  readonly revision: number;
  readonly term: number;
  readonly items: ReadonlyMap<string, Item>;
  readonly leases: ReadonlyMap<string, Lease>;
}

const EMPTY: Held = { id: 1, revision: 1, term: 1, items: new Map(), leases: new Map() };

/** @param names lease names, of which no two primaries give the same */
export function createStoreData(kernel: Kernel, names: { next: number }, from: Held = EMPTY): StoreData {
  let { id, revision } = from;
  let compacted = 0;
  const items = new Map(from.items);
  const leases = new Map<string, Lease>();
  let history: Change[] = [];
  let watchers: Watcher[] = [];

  for (const [name, { ttlMs, expiresMs }] of from.leases) hold(name, { ttlMs, expiresMs });
  if (from !== EMPTY) compacted = revision;

  function hold(name: string, lease: Lease): void {
    leases.set(name, lease);
    expireLater(name, lease);
  }

  function expireLater(name: string, lease: Lease): void {
    kernel.at(lease.expiresMs, () => {
      if (leases.get(name) !== lease) return;
      // Without a leader no lease ends.
      if (data.isOut) lease.expiresMs = kernel.nowMs + lease.ttlMs;
      if (lease.expiresMs > kernel.nowMs) expireLater(name, lease);
      else data.drop(name);
    });
  }

  function publish(puts: StoredInstance[], deletes: string[]): void {
    const change = { store: `s${id}`, revision, puts, deletes };
    history.push(change);
    if (data.isOut) return;
    for (const watcher of watchers) watcher.change(change);
  }

  const data: StoreData = {
    term: from.term,
    isOut: false,
    listing: () => ({
      store: `s${id}`,
      revision,
      term: data.term,
      items: [...items.values()].map(({ key, instance, revision: at }) => ({ key, instance, revision: at })),
    }),
    grant(ttlMs) {
      names.next += 1;
      const name = `l${names.next}`;
      hold(name, { ttlMs, expiresMs: kernel.nowMs + ttlMs });
      return name;
    },
    keep(name) {
      const lease = leases.get(name);
      if (lease === undefined) return 'gone';
      lease.expiresMs = kernel.nowMs + lease.ttlMs;
      return 'kept';
    },
    put(lease, key, instance) {
      if (!leases.has(lease)) return 'gone';
      revision += 1;
      items.set(key, { key, instance, revision, lease });
      publish([{ key, instance, revision }], []);
      return 'put';
    },
    drop(lease) {
      leases.delete(lease);
      const gone = [...items.values()].filter((item) => item.lease === lease).map(({ key }) => key);
      if (gone.length === 0) return;
      revision += 1;
      for (const key of gone) items.delete(key);
      publish([], gone);
    },
    watch(fromRevision, watcher) {
      if (data.isOut || fromRevision <= compacted || fromRevision > revision + 1) {
        watcher.lost();
        return;
      }
      for (const change of history) if (change.revision >= fromRevision) watcher.change(change);
      watchers.push(watcher);
    },
    renew() {
      data.term += 1;
      for (const lease of leases.values()) lease.expiresMs = kernel.nowMs + lease.ttlMs;
    },
    loseWatchers() {
      const all = watchers;
      watchers = [];
      for (const { lost } of all) lost();
    },
    compact() {
      compacted = revision;
      history = [];
      data.loseWatchers();
    },
    lose() {
      id += 1;
      revision = 1;
      compacted = 0;
      history = [];
      items.clear();
      leases.clear();
      data.loseWatchers();
    },
    clone: () => createStoreData(kernel, names, { id, revision, term: data.term, items, leases }),
  };
  return data;
}
