/** Carries out what the lease keeper of one life of a worker wants of the store. */
import type { Instance } from '../../lib/fleet/instance-cache.js';
import {
  initialLease,
  type LeaseEffect,
  type LeaseEvent,
  leaseTimerMs,
} from '../../lib/fleet/lease-keeper.js';
import type { Actor } from './kernel.js';
import { LEASE_TTL_MS, type World } from './world.js';

export interface Registration {
  start(): void;
  /** The engine made a step, or has nothing to do. */
  progress(): void;
  /** The record has changed. */
  changed(): void;
  stop(): void;
}

/** Progress is told no more often. */
const PROGRESS_MS = 500;
/** With so many renewals the record is looked after, as workers do. */
const LOOK_EVERY = 3;

export function createRegistration(
  world: World,
  actor: Actor,
  record: () => Instance,
  onLost: () => void,
): Registration {
  const { machines, random } = world;
  const store = world.store.client(actor);
  let state = initialLease({ ttlMs: LEASE_TTL_MS });
  let progressMs = Number.NEGATIVE_INFINITY;
  let timerMs = Number.POSITIVE_INFINITY;
  let kept = 0;
  const stamp = () => ({ atMs: actor.now(), random: random.next() });

  function step(event: LeaseEvent): void {
    const next = machines.stepLease(state, event);
    state = next.state;
    for (const effect of next.effects) perform(effect);
    const atMs = leaseTimerMs(state);
    if (atMs >= timerMs) return;
    timerMs = atMs;
    // A little later than asked, lest rounding between two clocks make it too early for ever.
    actor.after(Math.max(atMs - actor.now(), 0) + 0.01, () => {
      if (timerMs !== atMs) return;
      timerMs = Number.POSITIVE_INFINITY;
      step({ type: 'tick', ...stamp() });
    });
  }

  /** A late write of the life before may have taken the record along. */
  function look(): void {
    store.list((answer) => {
      if (answer === 'failed' || state.status !== 'registered') return;
      const { worker, incarnation } = record().ref;
      const own = answer.items.find(({ instance }) => instance.ref.worker === worker);
      if (own?.instance.ref.incarnation !== incarnation) step({ type: 'records', ...stamp() });
    });
  }

  function perform(effect: LeaseEffect): void {
    const askedMs = actor.now();
    const { ttlMs } = state.options;
    switch (effect.type) {
      case 'grant':
        store.grant(effect.ttlMs, (lease) => {
          if (lease === 'failed') step({ type: 'failed', call: 'grant', lease: null, ...stamp() });
          else step({ type: 'granted', lease, ttlMs, askedMs, ...stamp() });
        });
        return;
      case 'keep': {
        const { lease } = effect;
        store.keep(lease, (answer) => {
          if (answer === 'failed') step({ type: 'failed', call: 'keep', lease, ...stamp() });
          else if (answer === 'gone') step({ type: 'gone', lease, ...stamp() });
          else {
            step({ type: 'kept', lease, ttlMs, askedMs, ...stamp() });
            kept += 1;
            if (kept % LOOK_EVERY === 0) look();
          }
        });
        return;
      }
      case 'put': {
        const { lease, version } = effect;
        const instance = record();
        store.put(lease, `instances/${instance.ref.worker}`, instance, (answer) => {
          if (answer === 'failed') step({ type: 'failed', call: 'put', lease, ...stamp() });
          else if (answer === 'gone') step({ type: 'gone', lease, ...stamp() });
          else step({ type: 'put', lease, version, ...stamp() });
        });
        return;
      }
      case 'revoke':
        store.revoke(effect.lease);
        return;
      case 'status':
        if (effect.status === 'lost') onLost();
        return;
    }
  }

  return {
    start: () => step({ type: 'start', ...stamp() }),
    progress() {
      const atMs = actor.now();
      if (atMs - progressMs < PROGRESS_MS) return;
      progressMs = atMs;
      step({ type: 'progress', atMs, random: 0 });
    },
    changed: () => step({ type: 'records', ...stamp() }),
    stop: () => step({ type: 'stop', ...stamp() }),
  };
}
