/** Which instances a cache knows, which of them the store has lost, and for how long that is doubted. */
import type { CacheEffect, Instance, InstanceCacheOptions, StoredInstance } from './instance-cache-types.js';
import { createPastLives } from './past-lives.js';

export interface KnownInstances {
  keys(): string[];
  has(key: string): boolean;
  instances(): readonly Instance[];
  /** @param isList a list is the truth, whatever another history said of the key before */
  put(item: StoredInstance, isList: boolean, atMs: number, out: CacheEffect[]): void;
  /** These are not in the store: those that leave or do not work go at once, the others are doubted to be gone. */
  miss(keys: readonly string[], atMs: number, out: CacheEffect[]): void;
  /** Only what a list has just confirmed to be missing, and only after its time. */
  removeOverdue(atMs: number, out: CacheEffect[]): void;
  /** Nobody could come back in the meantime, so that the time of those that are missing begins anew. */
  hearAgain(atMs: number): void;
  /** The data was lost or restored. Workers need a moment to register again, and old revisions mean nothing. */
  beginAnew(atMs: number): void;
  /**
   * When a list should look after what is missing, since who does not work any more by then goes, or after a past life that
   * was seen again, since one that is still registered then comes back. Infinity: there is neither.
   */
  confirmAtMs(atMs: number): number;
}

interface Known extends StoredInstance {
  /** Missing in the store since; null: it is there. */
  readonly missingSinceMs: number | null;
}

type Options = Required<Pick<InstanceCacheOptions, 'isHealthy' | 'ttlMs' | 'doubtMs'>> & {
  /** How long a life that another one followed stays away. */
  readonly pastMs: number;
};

export function createKnownInstances({ isHealthy, ttlMs, doubtMs, pastMs }: Options): KnownInstances {
  const known = new Map<string, Known>();
  const past = createPastLives(pastMs);
  /** Until then nothing that works is removed. */
  let holdUntilMs = Number.NEGATIVE_INFINITY;
  /** Then the first of the past lives that were seen again would be let in. */
  let admitAtMs = Number.POSITIVE_INFINITY;

  function remove(key: string, out: CacheEffect[]): void {
    const gone = known.get(key);
    if (gone === undefined) return;
    known.delete(key);
    past.gone(key, gone.instance.ref);
    out.push({ type: 'removed', instance: gone.instance });
  }

  return {
    keys: () => [...known.keys()],
    has: (key) => known.has(key),
    instances: () => [...known.values()].map(({ instance }) => instance),
    put(item, isList, atMs, out) {
      const { key, instance } = item;
      const pastUntilMs = past.pastUntilMs(instance.ref);
      if (atMs < pastUntilMs) {
        admitAtMs = Math.min(admitAtMs, pastUntilMs);
        return;
      }
      const before = known.get(key);
      if (!isList && before !== undefined && before.revision > item.revision) return;
      known.set(key, { ...item, missingSinceMs: null });
      if (before === undefined) {
        past.came(key, instance.ref, atMs);
        out.push({ type: 'added', instance });
        return;
      }
      if (before.instance.ref.incarnation !== instance.ref.incarnation) {
        past.replaced(before.instance.ref, atMs);
        out.push({ type: 'removed', instance: before.instance }, { type: 'added', instance });
      } else if (before.revision !== item.revision) out.push({ type: 'changed', instance });
    },
    miss(keys, atMs, out) {
      const doubted = keys.filter((key) => {
        const entry = known.get(key);
        return entry?.instance.state === 'serving' && isHealthy(entry.instance.ref, atMs);
      });
      const total = known.size;
      const stays = new Set(doubted);
      for (const key of keys) if (!stays.has(key)) remove(key, out);
      const fresh = doubted.filter((key) => known.get(key)?.missingSinceMs === null);
      if (fresh.length >= 2 && fresh.length > total / 2) {
        holdUntilMs = Math.max(holdUntilMs, atMs + ttlMs);
        out.push({ type: 'mass_removal', missing: fresh.length, known: total });
      }
      for (const key of fresh) {
        const entry = known.get(key);
        if (entry !== undefined) known.set(key, { ...entry, missingSinceMs: atMs });
      }
    },
    removeOverdue(atMs, out) {
      if (atMs < holdUntilMs) return;
      for (const [key, { missingSinceMs }] of known)
        if (missingSinceMs !== null && atMs - missingSinceMs >= doubtMs) remove(key, out);
    },
    hearAgain(atMs) {
      for (const [key, entry] of known)
        if (entry.missingSinceMs !== null) known.set(key, { ...entry, missingSinceMs: atMs });
    },
    beginAnew(atMs) {
      holdUntilMs = Math.max(holdUntilMs, atMs + ttlMs);
      for (const [key, entry] of known) known.set(key, { ...entry, revision: -1 });
    },
    confirmAtMs(atMs) {
      if (admitAtMs <= atMs) admitAtMs = Number.POSITIVE_INFINITY;
      for (const { missingSinceMs } of known.values())
        if (missingSinceMs !== null) return Math.min(admitAtMs, Math.max(atMs + ttlMs, holdUntilMs));
      return admitAtMs;
    },
  };
}
