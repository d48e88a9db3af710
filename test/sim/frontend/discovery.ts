/** Keeps the instance cache in step with the store, and checks what the cache makes of it. */
import type { CacheEffect, CacheEvent, Instance, InstanceCache } from '../../../lib/fleet/instance-cache.js';
import type { WorkerRef } from '../../../lib/fleet/types.js';
import { LEASE_TTL_MS, RELIST_MS } from '../world.js';
import { type Core, keyOf } from './core.js';

export interface DiscoveryPorts {
  added(instance: Instance): void;
  leaving(ref: WorkerRef): void;
  removed(ref: WorkerRef): void;
}

export interface Discovery {
  readonly cache: InstanceCache;
  /** Workers that take requests, as the cache has them. */
  serving(): ReadonlyMap<string, WorkerRef>;
  isServing(ref: WorkerRef): boolean;
  /** Another life of the same worker has taken its place. */
  isReplaced(ref: WorkerRef): boolean;
  start(): void;
}

export function createDiscovery(core: Core, ports: DiscoveryPorts): Discovery {
  const { world, actor, stamp } = core;
  const store = world.store.client(actor);
  const replaced = new Map<string, number>();
  const check = createCacheCheck(core, () => cache, replaced);
  const cache = world.machines.createInstanceCache({
    isHealthy: (ref) => {
      const at = core.find(ref);
      return at !== undefined && at.condition === 'alive' && !at.isOut;
    },
    ttlMs: LEASE_TTL_MS,
    relistMs: RELIST_MS,
  });
  let serving = new Map<string, WorkerRef>();
  let timerMs = Number.POSITIVE_INFINITY;

  function step(event: CacheEvent): void {
    const wasSynced = cache.isSynced;
    const before = serving;
    const effects = cache.step(event);
    check(event, effects, wasSynced, before);
    serving = new Map();
    for (const { ref, state } of cache.instances()) if (state === 'serving') serving.set(ref.worker, ref);
    for (const effect of effects) perform(effect);
    const atMs = cache.nextTimerMs();
    if (atMs >= timerMs) return;
    timerMs = atMs;
    actor.after(Math.max(0, atMs - actor.now()) + 0.01, () => {
      if (timerMs !== atMs) return;
      timerMs = Number.POSITIVE_INFINITY;
      step({ type: 'tick', ...stamp() });
    });
  }

  function perform(effect: CacheEffect): void {
    switch (effect.type) {
      case 'list':
        store.list((answer) =>
          step(
            answer === 'failed'
              ? { type: 'list_failed', ...stamp() }
              : { type: 'listed', ...answer, ...stamp() },
          ),
        );
        return;
      case 'watch':
        store.watch(
          effect.fromRevision,
          (change) => step({ type: 'watched', ...change, ...stamp() }),
          () => step({ type: 'watch_lost', ...stamp() }),
        );
        return;
      case 'added':
        ports.added(effect.instance);
        if (effect.instance.state === 'draining') ports.leaving(effect.instance.ref);
        return;
      case 'changed':
        if (effect.instance.state === 'draining') ports.leaving(effect.instance.ref);
        return;
      case 'removed':
        ports.removed(effect.instance.ref);
        return;
      case 'mass_removal':
        return;
    }
  }

  return {
    cache,
    serving: () => serving,
    isServing: (ref) => serving.get(ref.worker)?.incarnation === ref.incarnation,
    isReplaced: (ref) => isReplaced(replaced, ref, actor.now()),
    start: () => step({ type: 'start', ...stamp() }),
  };
}

/** What is registered after ten TTLs lives, whatever came before. */
function isReplaced(replaced: ReadonlyMap<string, number>, ref: WorkerRef, atMs: number): boolean {
  return atMs - (replaced.get(keyOf(ref)) ?? Number.NEGATIVE_INFINITY) < 10 * LEASE_TTL_MS;
}

/** Invariant 16, from the events that go in and the effects that come out. */
function createCacheCheck({ world }: Core, cacheOf: () => InstanceCache, replaced: Map<string, number>) {
  const { checks } = world;
  const gone = new Map<string, WorkerRef>();
  let lastTerm = 0;
  let lastRevision = 0;
  let lastStore = '';

  return (
    event: CacheEvent,
    effects: readonly CacheEffect[],
    wasSynced: boolean,
    before: ReadonlyMap<string, WorkerRef>,
  ): void => {
    const cache = cacheOf();
    if (event.type === 'listed' && cache.isSynced) {
      const { store, term = 0 } = event;
      // Data that was lost, or the history of a second primary that was cut off.
      if (store !== lastStore || term > lastTerm) lastRevision = 0;
      lastStore = store;
      lastTerm = Math.max(lastTerm, term);
    }
    const { revision } = cache;
    checks.check(16, revision >= lastRevision, () => `revision ${revision} after ${lastRevision}`);
    lastRevision = revision;
    for (const effect of effects) {
      if (effect.type === 'removed') {
        const { ref } = effect.instance;
        const isHeard = event.type === 'listed' || (event.type === 'watched' && wasSynced);
        checks.check(16, isHeard, () => `${keyOf(ref)} removed by ${event.type} while unsynced`);
        gone.set(ref.worker, ref);
        const worker = world.worker(ref.worker);
        const isWell = worker.isWell() && worker.ref.incarnation === ref.incarnation;
        checks.check(30, !isWell || world.isTouched(worker), () => `${keyOf(ref)} removed by ${event.type}`);
      }
      if (effect.type !== 'added') continue;
      const { ref } = effect.instance;
      const last = gone.get(ref.worker);
      if (last !== undefined && last.incarnation !== ref.incarnation) replaced.set(keyOf(last), event.atMs);
      checks.check(
        16,
        !isReplaced(replaced, ref, event.atMs) || before.get(ref.worker)?.incarnation === ref.incarnation,
        () => `${keyOf(ref)} came back`,
      );
    }
  };
}
