/**
 * What a router knows of the workers that are registered. Lists are the truth and watches are hints; nothing is removed
 * while the store cannot be heard, and nothing that still works because of a store that has lost its data.
 * See docs/fleet/instance-cache.md.
 */
import { equalJitterMs } from './backoff.js';
import type { CacheEffect, CacheEvent, InstanceCache, InstanceCacheOptions } from './instance-cache-types.js';
import { createKnownInstances } from './known-instances.js';
import type { Mutable } from './mutable.js';

export type * from './instance-cache-types.js';

const BACKOFF_BASE_MS = 250;
const BACKOFF_CAP_MS = 5000;
/** A store that has said less than is known for so long has gone back, and does not lag behind. */
const LAG_TTLS = 10;
const DOUBT_TTLS = 10;
const NEVER = Number.POSITIVE_INFINITY;

export function createInstanceCache(options: InstanceCacheOptions): InstanceCache {
  const { isHealthy, ttlMs = 10_000, relistMs = 300_000 } = options;
  const { doubtMs = DOUBT_TTLS * ttlMs } = options;
  const known = createKnownInstances({ isHealthy, ttlMs, doubtMs, pastMs: LAG_TTLS * ttlMs });
  let store: string | null = null;
  let term = 0;
  let behindSinceMs: number | null = null;
  let isListing = false;
  let listAtMs = NEVER;
  let failures = 0;

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

  /** Less than is known, but of a later leader: what was known is of a history that has been cut off. */
  function hasGoneBack({ revision: told, term: ofTerm = 0, atMs }: CacheEvent & { type: 'listed' }): boolean {
    if (told >= cache.revision) return false;
    return ofTerm > term || (behindSinceMs !== null && atMs - behindSinceMs >= LAG_TTLS * ttlMs);
  }

  function listed(event: CacheEvent & { type: 'listed' }, out: CacheEffect[]): void {
    const { atMs, items } = event;
    const isOtherStore = (store !== null && event.store !== store) || hasGoneBack(event);
    if (!isOtherStore && event.revision < cache.revision) {
      // A member that lags behind: what it does not know yet is not missing.
      behindSinceMs ??= atMs;
      listLater(atMs, event.random);
      return;
    }
    behindSinceMs = null;
    isListing = false;
    cache.heardMs = atMs;
    failures = 0;
    if (isOtherStore) {
      // The data was lost or restored. Workers need a moment to register again, and old revisions mean nothing.
      known.beginAnew(atMs);
    }
    store = event.store;
    cache.revision = event.revision;
    term = Math.max(term, event.term ?? 0);
    if (!cache.isSynced) known.hearAgain(atMs);
    for (const item of items) known.put(item, true, atMs, out);
    const present = new Set(items.map(({ key }) => key));
    known.miss(
      known.keys().filter((key) => !present.has(key)),
      atMs,
      out,
    );
    known.removeOverdue(atMs, out);
    cache.isSynced = true;
    out.push({ type: 'watch', fromRevision: cache.revision + 1 });
    listAtMs = Math.min(atMs + relistMs * (0.8 + 0.4 * event.random), known.confirmAtMs(atMs));
  }

  function watched(event: CacheEvent & { type: 'watched' }, out: CacheEffect[]): void {
    if (!cache.isSynced || event.store !== store) return;
    cache.heardMs = event.atMs;
    if (event.revision <= cache.revision) return;
    cache.revision = event.revision;
    for (const item of event.puts) known.put(item, false, event.atMs, out);
    known.miss(
      event.deletes.filter((key) => known.has(key)),
      event.atMs,
      out,
    );
    listAtMs = Math.min(listAtMs, known.confirmAtMs(event.atMs));
  }

  const cache: Mutable<InstanceCache> = {
    isSynced: false,
    revision: 0,
    heardMs: Number.NEGATIVE_INFINITY,
    instances: known.instances,
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
          cache.isSynced = false;
          listLater(event.atMs, event.random);
          break;
        case 'watched':
          watched(event, out);
          break;
        case 'watch_lost':
          cache.isSynced = false;
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
  return cache;
}
