/** What beacons, and their absence, say of each worker. */
import type { WorkerRef } from '../../../lib/fleet/types.js';
import type { BeaconMessage } from '../worker.js';
import type { Core, Seen } from './core.js';
import type { Ejections } from './ejections.js';

export interface ConditionPorts {
  suspect(ref: WorkerRef, atMs: number): void;
  /** Frozen or hung: what runs there has stalled. */
  lost(ref: WorkerRef, atMs: number): void;
}

export interface Conditions {
  start(): void;
  /** From now on it is watched. */
  see(ref: WorkerRef): void;
  /** @returns whether it is known */
  beacon(message: BeaconMessage): boolean;
}

const POLL_MS = 100;

export function createConditions(core: Core, ejections: Ejections, ports: ConditionPorts): Conditions {
  const { world, actor, ejector, loadView, seen } = core;

  function poll(): void {
    const atMs = actor.now();
    if (world.machines.hasBeacons) for (const each of seen.values()) judge(each, atMs);
    ejections.watch();
    actor.after(POLL_MS, poll);
  }

  function judge(each: Seen, atMs: number): void {
    const condition = each.health.condition(atMs);
    if (condition === each.condition) return;
    each.condition = condition;
    if (condition === 'suspect') ports.suspect(each.ref, atMs);
    if (condition !== 'frozen' && condition !== 'hung') return;
    ejector.strike(each.ref, atMs, world.random.next());
    ejections.watch({ type: 'strike', worker: each.ref.worker });
    ports.lost(each.ref, atMs);
  }

  return {
    start: () => actor.after(POLL_MS, poll),
    see(ref) {
      if (core.find(ref) !== undefined) return;
      const health = world.machines.createWorkerHealth(actor.now());
      seen.set(ref.worker, {
        ref,
        health,
        condition: 'alive',
        trials: 0,
        turns: 0,
        isOut: false,
        strikes: [],
      });
    },
    beacon(message) {
      const at = core.find(message.ref);
      if (at === undefined) return false;
      const atMs = actor.now();
      const { engineStep, running, scheduledTokens, expectedStepMs } = message;
      const { activeTokens, kvBlocksUsed, kvBlocksTotal } = message;
      at.health.beacon({ atMs, engineStep, running, scheduledTokens, expectedStepMs });
      loadView.report(message.ref, { atMs, activeTokens, kvBlocksUsed, kvBlocksTotal });
      if (at.condition !== 'alive' && at.health.condition(atMs) === 'alive') at.condition = 'alive';
      return true;
    },
  };
}
