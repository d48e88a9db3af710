/** A store as etcd is one: revisions, leases, watches, compaction, leaders that change, and members that lag behind. */
import type { StoredInstance } from '../../lib/fleet/instance-cache.js';
import type { Actor, Kernel } from './kernel.js';
import type { Lane, Network } from './network.js';

export type Reply<T> = (answer: T | 'failed') => void;

export interface Listing {
  readonly store: string;
  readonly revision: number;
  readonly items: readonly StoredInstance[];
}

export interface Change {
  readonly store: string;
  readonly revision: number;
  readonly puts: readonly StoredInstance[];
  readonly deletes: readonly string[];
}

/** What a process asks of the store; an answer that does not come in time is `failed`. */
export interface StoreClient {
  grant(ttlMs: number, reply: Reply<string>): void;
  keep(lease: string, reply: Reply<'kept' | 'gone'>): void;
  put(lease: string, key: string, instance: StoredInstance['instance'], reply: Reply<'put' | 'gone'>): void;
  revoke(lease: string): void;
  list(reply: Reply<Listing>): void;
  watch(fromRevision: number, onChange: (change: Change) => void, onLost: () => void): void;
}

export interface Store {
  readonly actor: Actor;
  client(actor: Actor): StoreClient;
  /** What is in it now. */
  current(): Listing;
  /** Nothing answers. */
  outage(isOut: boolean): void;
  changeLeader(): void;
  compact(): void;
  loseData(): void;
  /** Reads come from a member that has heard nothing since. */
  lag(isLagging: boolean): void;
}

interface Lease {
  readonly ttlMs: number;
  expiresMs: number;
}

interface Watcher {
  readonly id: number;
  readonly change: (change: Change) => void;
  readonly lost: () => void;
}

const CALL_TIMEOUT_MS = 1000;

export function createStore(kernel: Kernel, network: Network): Store {
  const actor = kernel.spawn('store');
  let id = 1;
  let revision = 1;
  let compacted = 0;
  let names = 0;
  let isOut = false;
  let lagging: Listing | null = null;
  const items = new Map<string, StoredInstance & { readonly lease: string }>();
  const leases = new Map<string, Lease>();
  let history: Change[] = [];
  let watchers: Watcher[] = [];

  const listing = (): Listing => ({
    store: `s${id}`,
    revision,
    items: [...items.values()].map(({ key, instance, revision: at }) => ({ key, instance, revision: at })),
  });

  function publish(puts: StoredInstance[], deletes: string[]): void {
    const change = { store: `s${id}`, revision, puts, deletes };
    history.push(change);
    if (isOut) return;
    for (const watcher of watchers) watcher.change(change);
  }

  function drop(lease: string): void {
    leases.delete(lease);
    const gone = [...items.values()].filter((item) => item.lease === lease).map(({ key }) => key);
    if (gone.length === 0) return;
    revision += 1;
    for (const key of gone) items.delete(key);
    publish([], gone);
  }

  function expireLater(name: string, lease: Lease): void {
    kernel.at(lease.expiresMs, () => {
      if (leases.get(name) !== lease) return;
      // Without a leader no lease ends.
      if (isOut || lease.expiresMs > kernel.nowMs) {
        if (isOut) lease.expiresMs = kernel.nowMs + lease.ttlMs;
        expireLater(name, lease);
      } else drop(name);
    });
  }

  function loseWatchers(): void {
    const all = watchers;
    watchers = [];
    for (const watcher of all) watcher.lost();
  }

  function client(from: Actor): StoreClient {
    const there: Lane = network.createLane(from, actor, false);
    const back: Lane = network.createLane(actor, from, false);

    function call<T>(work: () => T, reply: Reply<T>): void {
      let isAnswered = false;
      const answer = (value: T | 'failed'): void => {
        if (isAnswered) return;
        isAnswered = true;
        reply(value);
      };
      from.after(CALL_TIMEOUT_MS, () => answer('failed'));
      there.send(() => {
        if (isOut) return;
        const value = work();
        back.send(() => answer(value));
      });
    }

    return {
      grant: (ttlMs, reply) =>
        call(() => {
          names += 1;
          const lease = { ttlMs, expiresMs: kernel.nowMs + ttlMs };
          leases.set(`l${names}`, lease);
          expireLater(`l${names}`, lease);
          return `l${names}`;
        }, reply),
      keep: (name, reply) =>
        call(() => {
          const lease = leases.get(name);
          if (lease === undefined) return 'gone';
          lease.expiresMs = kernel.nowMs + lease.ttlMs;
          return 'kept';
        }, reply),
      put: (lease, key, instance, reply) =>
        call(() => {
          if (!leases.has(lease)) return 'gone';
          revision += 1;
          const item = { key, instance, revision, lease };
          items.set(key, item);
          publish([{ key, instance, revision }], []);
          return 'put';
        }, reply),
      revoke: (lease) =>
        there.send(() => {
          if (!isOut) drop(lease);
        }),
      list: (reply) => call(() => lagging ?? listing(), reply),
      watch(fromRevision, onChange, onLost) {
        let isLost = false;
        const lose = (): void =>
          back.send(() => {
            if (isLost) return;
            isLost = true;
            onLost();
          });
        there.send(() => {
          if (isOut || fromRevision <= compacted || fromRevision > revision + 1) {
            lose();
            return;
          }
          const send = (change: Change): void => back.send(() => isLost || onChange(change));
          for (const change of history) if (change.revision >= fromRevision) send(change);
          names += 1;
          watchers.push({ id: names, change: send, lost: lose });
        });
      },
    };
  }

  return {
    actor,
    client,
    current: listing,
    outage(out) {
      isOut = out;
      if (out) loseWatchers();
      // A new leader gives every lease its whole time again.
      else for (const lease of leases.values()) lease.expiresMs = kernel.nowMs + lease.ttlMs;
    },
    changeLeader() {
      for (const lease of leases.values()) lease.expiresMs = kernel.nowMs + lease.ttlMs;
      loseWatchers();
    },
    compact() {
      compacted = revision;
      history = [];
      loseWatchers();
    },
    loseData() {
      id += 1;
      revision = 1;
      compacted = 0;
      history = [];
      items.clear();
      leases.clear();
      lagging = null;
      loseWatchers();
    },
    lag(isLagging) {
      lagging = isLagging ? listing() : null;
    },
  };
}
