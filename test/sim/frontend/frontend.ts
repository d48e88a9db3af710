/**
 * A frontend process: the machines of lib/fleet, and an adapter that carries out their effects as the product does. The checks
 * sit here, beside the machines, and look only at what goes in and what comes out of them.
 */
import type { WorkerRef } from '../../../lib/fleet/types.js';
import type { SimClient } from '../client.js';
import type { Actor, Clock } from '../kernel.js';
import type { RequestSpec } from '../scenario.js';
import type { BeaconMessage } from '../worker.js';
import type { World } from '../world.js';
import { createAdmission } from './admission.js';
import { createConditions } from './conditions.js';
import { createCore } from './core.js';
import { createDiscovery } from './discovery.js';
import { createEjections } from './ejections.js';
import { createPicker } from './pick.js';
import { createRequests } from './requests.js';
import { unsettled } from './unsettled.js';

export interface Frontend {
  readonly actor: Actor;
  start(): void;
  request(spec: RequestSpec): SimClient;
  beacon(message: BeaconMessage): void;
  /** After every event. */
  check(): void;
  /** What is not well by now; empty: all is. Asked in liveness mode after the faults have stopped. */
  unsettled(): string[];
  /** Whether it would send the next request there although there are others. */
  prefers(ref: WorkerRef): boolean;
}

export function createFrontend(world: World, clock: Clock, index: number): Frontend {
  const actor = world.kernel.spawn(`f${index}`, clock);
  const core = createCore(world, actor, clock);
  const { ejector, loadView, seen } = core;
  const ejections = createEjections(core);
  const admission = createAdmission(core);
  const discovery = createDiscovery(core, {
    added({ ref }) {
      ejector.add(ref, actor.now());
      conditions.see(ref);
      // Another life of the same worker: what ran in the old one is gone, whether a reset has arrived or not.
      requests.fail(ref, 'other lives', 'reset');
    },
    leaving(ref) {
      admission.forget(ref);
      requests.tellAll({ type: 'leaving', atMs: actor.now(), ref });
    },
    removed(ref) {
      ejector.remove(ref, actor.now());
      loadView.forget(ref);
      admission.forget(ref);
      if (core.find(ref) !== undefined) seen.delete(ref.worker);
      ejections.watch({ type: 'removed', worker: ref.worker });
    },
  });
  const picker = createPicker(core, discovery, admission);
  const requests = createRequests(core, admission, picker, ejections);
  const conditions = createConditions(core, ejections, {
    suspect: (ref, atMs) => requests.tellAll({ type: 'suspect', atMs, ref }),
    lost: (ref) => requests.fail(ref, 'its', 'stalled'),
  });

  return {
    actor,
    start() {
      discovery.start();
      conditions.start();
    },
    request: requests.arrive,
    beacon(message) {
      if (conditions.beacon(message)) admission.report(message, discovery.isServing(message.ref));
    },
    check() {
      requests.check();
      admission.check();
      ejections.check();
    },
    unsettled: () => unsettled(core, discovery, picker, requests, admission),
    prefers: (ref) =>
      core.find(ref)?.condition === 'alive' &&
      discovery.isServing(ref) &&
      !ejector.isEjected(ref, actor.now()),
  };
}
