/** Carries out a scenario's faults, and ends them. */

import type { Frontend } from './frontend/frontend.js';
import type { Fault, FaultKind } from './scenario.js';
import { count, note } from './stats.js';
import type { SimWorker } from './worker.js';
import { LEASE_TTL_MS, type World } from './world.js';

/** Those that would else be other faults: a member that lags for ten TTLs is believed in the end. */
const MOST_MS: { readonly [kind in FaultKind]?: number } = {
  restart: 100,
  store_leader: 1000,
  store_lag: 6 * LEASE_TTL_MS,
  store_split: 8 * LEASE_TTL_MS,
};

export interface FaultRunner {
  schedule(): void;
  /** After every event: who has noticed what. */
  watch(): void;
  isTouched(worker: SimWorker): boolean;
}

interface Pending {
  readonly kind: string;
  readonly worker: SimWorker;
  readonly incarnation: string;
  readonly sinceMs: number;
  readonly unaware: Set<Frontend>;
}

export function createFaults(world: World, frontends: readonly Frontend[]): FaultRunner {
  const { kernel, network, scenario, stats, store, workers } = world;
  const touched = new Set<SimWorker>();
  let isNetworkTouched = false;
  let pending: Pending[] = [];

  function notice(kind: string, worker: SimWorker): void {
    const unaware = new Set(frontends.filter((frontend) => frontend.prefers(worker.ref)));
    if (unaware.size === 0) return;
    count(stats.started, kind, unaware.size);
    pending.push({ kind, worker, incarnation: worker.ref.incarnation, sinceMs: kernel.nowMs, unaware });
  }

  function over(kind: string, worker: SimWorker): void {
    for (const each of pending)
      if (each.kind === kind && each.worker === worker) count(stats.unseen, kind, each.unaware.size);
    pending = pending.filter((each) => each.kind !== kind || each.worker !== worker);
  }

  /** @returns how it ends; null: by itself */
  function strike(fault: Fault): (() => void) | null {
    const worker = workers[fault.worker % workers.length]!;
    const { weather } = network;
    switch (fault.kind) {
      case 'crash':
      case 'restart':
      case 'half_open': {
        notice('crash', worker);
        worker.die(fault.kind === 'half_open');
        return () => {
          over('crash', worker);
          worker.revive();
        };
      }
      case 'pause': {
        const { life } = worker.actor;
        notice('freeze', worker);
        worker.actor.pause();
        return () => {
          over('freeze', worker);
          if (worker.actor.life === life) worker.actor.resume();
        };
      }
      case 'slow':
        worker.slowness = fault.amount;
        return () => {
          worker.slowness = 1;
        };
      case 'hang':
        notice('hang', worker);
        worker.isHung = true;
        return () => {
          over('hang', worker);
          worker.isHung = false;
          if (worker.actor.isUp) worker.wake();
        };
      case 'drain':
        worker.drain();
        return null;
      case 'delay':
        weather.delay = fault.amount;
        return () => {
          weather.delay = 1;
        };
      case 'loss':
      case 'reorder':
      case 'duplicate': {
        const { kind } = fault;
        weather[kind] = fault.amount;
        return () => {
          weather[kind] = 0;
        };
      }
      case 'partition': {
        const other = fault.peer === 'store' ? 'store' : `f${fault.worker % frontends.length}`;
        const ways: [string, string][] = [];
        if (fault.way !== 'in') ways.push([worker.name, other]);
        if (fault.way !== 'out') ways.push([other, worker.name]);
        for (const [from, to] of ways) network.close(from, to);
        return () => {
          for (const [from, to] of ways) network.open(from, to);
        };
      }
      case 'overload':
        worker.isOverloaded = true;
        return () => {
          worker.isOverloaded = false;
        };
      case 'engine_error':
      case 'numerical':
        worker.failsWith = fault.kind;
        return () => {
          worker.failsWith = null;
        };
      case 'lost_finish':
        worker.losesFinish = true;
        return () => {
          worker.losesFinish = false;
        };
      case 'bus_loss':
        network.busLoss = fault.amount;
        return () => {
          network.busLoss = 0;
        };
      case 'store_outage':
        store.outage(true);
        return () => store.outage(false);
      case 'store_leader':
        store.outage(true);
        return () => {
          store.outage(false);
          store.changeLeader();
        };
      case 'store_compaction':
        store.compact();
        return null;
      case 'store_data_loss':
        store.loseData();
        return null;
      case 'store_lag':
        store.lag(true);
        return () => store.lag(false);
      case 'store_split':
        store.split(fault.worker % 2 === 0);
        return () => store.heal();
    }
  }

  const NETWORK = new Set(['delay', 'loss', 'reorder', 'duplicate', 'partition', 'bus_loss']);

  return {
    schedule() {
      for (const fault of scenario.faults) {
        kernel.at(fault.atMs, () => {
          stats.faults += 1;
          if (NETWORK.has(fault.kind)) isNetworkTouched = true;
          else if (!fault.kind.startsWith('store')) touched.add(workers[fault.worker % workers.length]!);
          const end = strike(fault);
          if (end === null) return;
          const lasts = Math.min(fault.durationMs, MOST_MS[fault.kind] ?? Number.POSITIVE_INFINITY);
          // In liveness mode nothing is left broken after the active time.
          const endMs = fault.atMs + lasts;
          kernel.at(scenario.mode === 'liveness' ? Math.min(endMs, scenario.activeMs + 500) : endMs, end);
        });
      }
    },
    watch() {
      if (pending.length === 0) return;
      for (const each of pending)
        for (const frontend of each.unaware) {
          if (frontend.prefers({ worker: each.worker.name, incarnation: each.incarnation })) continue;
          each.unaware.delete(frontend);
          note(stats.detections, each.kind, kernel.nowMs - each.sinceMs);
        }
      pending = pending.filter(({ unaware }) => unaware.size > 0);
    },
    isTouched: (worker) => isNetworkTouched || touched.has(worker),
  };
}
