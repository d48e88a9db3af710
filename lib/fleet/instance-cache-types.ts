/** What an instance cache hears and says. See docs/fleet/instance-cache.md. */
import type { WorkerRef } from './types.js';

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
