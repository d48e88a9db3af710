/** Keeps what is known of one range of keys level with the store: list, watch, list again. */
import { createInstanceCache, type Instance, type StoredInstance } from '../fleet/instance-cache.js';
import type { WorkerRef } from '../fleet/types.js';
import { monoMs } from '../native/clock.js';
import type { Source, SourceItem } from './source.js';
import { createTrouble } from './trouble.js';
import type { InstanceRecord } from './types.js';

export interface WatchLoop {
  readonly isSynced: boolean;
  readonly heardMs: number;
  close(): void;
}

interface Stored {
  readonly key: string;
  readonly record: InstanceRecord;
}

export interface LoopPorts {
  log(fields: object, message: string): void;
  isHealthy(ref: WorkerRef): boolean;
  onChange(set: readonly Stored[], removed: readonly string[]): void;
}

export function startWatchLoop(
  source: Source,
  ports: LoopPorts,
  options: { readonly ttlMs: number; readonly relistMs?: number },
): WatchLoop {
  const cache = createInstanceCache({ ...options, isHealthy: (ref) => ports.isHealthy(ref) });
  let watching: { close(): void } | null = null;
  let store = '';
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const trouble = createTrouble();

  type Event = Parameters<typeof cache.step>[0];
  type Body = Event extends infer E ? (E extends Event ? Omit<E, 'atMs' | 'random'> : never) : never;

  function step(event: Body): void {
    if (isClosed) return;
    const effects = cache.step({ ...event, atMs: monoMs(), random: Math.random() } as Event);
    const set = new Map<string, Stored>();
    const removed = new Set<string>();
    for (const effect of effects) {
      switch (effect.type) {
        case 'list':
          list();
          break;
        case 'watch':
          watch(effect.fromRevision - 1);
          break;
        case 'added':
        case 'changed': {
          const stored = storedOf(effect.instance);
          set.set(stored.key, stored);
          break;
        }
        case 'removed': {
          const { key } = storedOf(effect.instance);
          set.delete(key);
          removed.add(key);
          break;
        }
        case 'mass_removal': {
          const { missing, known } = effect;
          ports.log(
            { source: source.name, missing, known },
            'workers that still answer have left the store at once: they stay for now',
          );
          break;
        }
      }
    }
    if (set.size > 0 || removed.size > 0) {
      for (const key of set.keys()) removed.delete(key);
      ports.onChange([...set.values()], [...removed]);
    }
    clearTimeout(timer);
    const dueMs = cache.nextTimerMs() - monoMs();
    if (!isClosed && Number.isFinite(dueMs))
      timer = setTimeout(() => step({ type: 'tick' }), Math.max(1, dueMs)).unref();
  }

  function list(): void {
    source.list().then(
      (listing) => {
        if (isClosed) return;
        if (trouble.end()) ports.log({ source: source.name }, 'discovery answers again');
        store = listing.store;
        step({ ...listing, type: 'listed', items: listing.items.map(toCache) });
      },
      (error: Error) => {
        complain(error);
        step({ type: 'list_failed' });
      },
    );
  }

  function watch(revision: number): void {
    watching?.close();
    const own = source.watch(revision, {
      events(events) {
        if (watching === own) step({ ...events, type: 'watched', store, puts: events.puts.map(toCache) });
      },
      lost(error) {
        if (watching !== own) return;
        watching = null;
        complain(error);
        step({ type: 'watch_lost' });
      },
    });
    watching = own;
  }

  function complain(error: Error): void {
    // One trouble, whatever each try meets.
    if (isClosed || !trouble.isToBeSaid('')) return;
    ports.log(
      { source: source.name, error: error.message },
      'discovery does not answer: what is known stays',
    );
  }

  step({ type: 'start' });
  return {
    get isSynced() {
      return cache.isSynced;
    },
    get heardMs() {
      return cache.heardMs;
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      watching?.close();
      watching = null;
    },
  };
}

function toCache({ key, record, revision }: SourceItem): StoredInstance {
  // Of another product's instance each life has a key of its own.
  const ref = record.ref ?? { worker: key, incarnation: String(record.instanceId) };
  return { key, revision, instance: { ref, state: record.state, data: { key, record } satisfies Stored } };
}

const storedOf = ({ data }: Instance): Stored => data as Stored;
