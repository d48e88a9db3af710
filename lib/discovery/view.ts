/** All that is registered, put together from the ranges of keys that are watched. */
import { monoMs } from '../native/clock.js';
import type { EndpointName, InstanceRecord, ViewChange, ViewInstance, Watch } from './types.js';
import type { WatchLoop } from './watch-loop.js';

/** Ours before Dynamo's: a worker may be registered both ways. */
const SOURCES = ['own', 'dynamo'] as const;
export type ViewSource = (typeof SOURCES)[number];

interface Stored {
  readonly key: string;
  readonly record: InstanceRecord;
}

export interface View {
  apply(source: ViewSource, set: readonly Stored[], removed: readonly string[]): void;
  /** Keys of model records, as `namespace/component/endpoint`, and how many each has. */
  applyModels(added: readonly EndpointName[], removed: readonly EndpointName[]): void;
  watch(loops: readonly WatchLoop[], close: () => Promise<void>): Watch;
}

const pathOf = ({ namespace, component, endpoint }: EndpointName): string =>
  `${namespace}/${component}/${endpoint}`;
const componentOf = ({ namespace, component }: EndpointName): string => `${namespace}/${component}`;

export function createView(onChange: (change: ViewChange) => void): View {
  /** By what they are, whoever has registered them. */
  const instances = new Map<string, Partial<Record<ViewSource, Stored>>>();
  /** Where a key of a source is in `instances`. */
  const places = new Map<string, string>();
  const shown = new Map<string, ViewInstance>();
  const models = new Map<string, number>();
  const componentsWithModels = new Map<string, number>();
  let version = 0;

  /** An endpoint with a model record serves a model; where a component has none, those that are called generate do. */
  function hasModel(record: InstanceRecord): boolean {
    if (models.has(pathOf(record))) return true;
    return record.endpoint === 'generate' && !componentsWithModels.has(componentOf(record));
  }

  function show(identities: Iterable<string>): void {
    const set: ViewInstance[] = [];
    const removed: ViewInstance[] = [];
    for (const identity of identities) {
      const known = instances.get(identity);
      const stored = known?.own ?? known?.dynamo;
      const before = shown.get(identity);
      if (stored === undefined) {
        instances.delete(identity);
        shown.delete(identity);
        if (before !== undefined) removed.push(before);
        continue;
      }
      const next: ViewInstance = { ...stored.record, key: identity, hasModel: hasModel(stored.record) };
      shown.set(identity, next);
      set.push(next);
    }
    if (set.length === 0 && removed.length === 0) return;
    version += 1;
    onChange({ version, set, removed });
  }

  function count(counts: Map<string, number>, key: string, by: 1 | -1): void {
    const left = (counts.get(key) ?? 0) + by;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  }

  return {
    apply(source, set, removed) {
      const touched = new Set<string>();
      const take = (key: string): void => {
        const identity = places.get(`${source}\0${key}`);
        if (identity === undefined) return;
        places.delete(`${source}\0${key}`);
        const known = instances.get(identity);
        // Another key may have brought the same instance since.
        if (known?.[source]?.key === key) delete known[source];
        touched.add(identity);
      };
      for (const key of removed) take(key);
      for (const stored of set) {
        take(stored.key);
        const identity = `${pathOf(stored.record)}/${stored.record.instanceId.toString(16)}`;
        const known = instances.get(identity) ?? {};
        known[source] = stored;
        instances.set(identity, known);
        places.set(`${source}\0${stored.key}`, identity);
        touched.add(identity);
      }
      show(touched);
    },
    applyModels(added, removed) {
      for (const [names, by] of [
        [removed, -1],
        [added, 1],
      ] as const)
        for (const name of names) {
          count(models, pathOf(name), by);
          count(componentsWithModels, componentOf(name), by);
        }
      const touched = [...shown].filter(([, each]) => each.hasModel !== hasModel(each));
      show(touched.map(([identity]) => identity));
    },
    watch: (loops, close) => ({
      get version() {
        return version;
      },
      get isSynced() {
        return loops.every(({ isSynced }) => isSynced);
      },
      get ageMs() {
        return monoMs() - Math.min(...loops.map(({ heardMs }) => heardMs));
      },
      get size() {
        return shown.size;
      },
      instances: () => [...shown.values()],
      close,
    }),
  };
}
