/** The admission in front of a frontend's requests, carried out as the product does. */
import type { PoolAdmissionEffect, PoolRoom } from '../../../lib/fleet/admission/admission.js';
import { createServiceRate, type ServedRequest } from '../../../lib/fleet/service-rate.js';
import type { WorkerRef } from '../../../lib/fleet/types.js';
import { QUEUE_ONLY } from '../admission-spec.js';
import type { RequestSpec } from '../scenario.js';
import type { BeaconMessage } from '../worker.js';
import { createAdmissionChecks } from './admission-checks.js';
import type { Core } from './core.js';

/** A request between its arrival and its end. */
export interface Entry {
  /** It began in a worker after this wait there. */
  scheduled(waitMs: number): void;
  /** A token came. */
  progress(): void;
  /** It has ended, or its client has left. Idempotent. */
  leave(): void;
}

export interface Admission {
  queued(): number;
  inFlight(): number;
  enter(spec: RequestSpec, on: { admit(entry: Entry): void; reject(reason: string): void }): Entry;
  /** @param isServing false: it takes nothing now and counts for no room */
  report(message: BeaconMessage, isServing: boolean): void;
  /** @param replayedTokens that it prefills besides */
  sent(ref: WorkerRef, promptTokens: number, replayedTokens: number): ServedRequest;
  forget(ref: WorkerRef): void;
  isBusy(ref: WorkerRef): boolean;
  /** After every event. */
  check(): void;
}

const UNKNOWN = { tokensPerSecond: 0, prefill: { tokensPerSecond: 0, baseMs: 0 } };
const UNMEASURED: ServedRequest = { tokens: () => null, end: () => {} };

export function createAdmission(core: Core): Admission {
  const { world, actor } = core;
  const { machines, random, scenario } = world;
  const spec = scenario.admission ?? QUEUE_ONLY;
  const admission = machines.createPoolAdmission(spec.options);
  const busy = machines.createBusyWorkers(spec.thresholds);
  const checks = createAdmissionChecks(core, spec, admission);
  const rate = createServiceRate();
  const waiting = new Map<number, { admit(): void; reject(reason: string): void }>();
  let lastId = 0;
  let timerMs = Number.POSITIVE_INFINITY;
  let depth = 0;

  const room = (): PoolRoom => ({
    hasRoom: busy.hasRoom,
    roomTokens: busy.roomTokens,
    ...(spec === QUEUE_ONLY ? UNKNOWN : rate.speed(actor.now())),
  });

  function perform(effects: readonly PoolAdmissionEffect[], atMs: number): void {
    checks.changed();
    if (effects.length > 0) {
      depth += 1;
      checks.step();
      for (const effect of effects)
        if (effect.type === 'reject') checks.rejected(effect, atMs);
        else checks.admitted(effect, atMs);
      for (const effect of effects) {
        const on = waiting.get(effect.id);
        waiting.delete(effect.id);
        if (effect.type === 'admit') on?.admit();
        else on?.reject(effect.reason);
      }
      depth -= 1;
    }
    if (depth === 0) arm();
  }

  function arm(): void {
    const atMs = admission.nextTimerMs();
    if (atMs >= timerMs) return;
    timerMs = atMs;
    actor.after(Math.max(0, atMs - actor.now()) + 0.01, () => {
      if (timerMs !== atMs) return;
      timerMs = Number.POSITIVE_INFINITY;
      tick();
    });
  }

  function tick(): void {
    const atMs = actor.now();
    perform(admission.tick(atMs, room()), atMs);
  }

  function enter(request: RequestSpec, on: Parameters<Admission['enter']>[1]): Entry {
    const id = ++lastId;
    const atMs = actor.now();
    let isIn = true;
    const entry: Entry = {
      scheduled: (waitMs) => admission.scheduled(id, waitMs),
      progress() {
        if (isIn) checks.progress(id);
        admission.progress(id, 1);
      },
      leave() {
        if (!isIn) return;
        isIn = false;
        checks.left(id);
        const leftMs = actor.now();
        perform(
          waiting.delete(id) ? admission.abandon(id, leftMs, room()) : admission.release(id, leftMs, room()),
          leftMs,
        );
      },
    };
    waiting.set(id, {
      admit: () => on.admit(entry),
      reject(reason) {
        isIn = false;
        on.reject(reason);
      },
    });
    const { tenant, priority, promptTokens, maxTokens, choices, firstTokenMs, deadlineMs } = request;
    const wantedMs = Math.min(
      firstTokenMs ?? Number.POSITIVE_INFINITY,
      deadlineMs ?? Number.POSITIVE_INFINITY,
    );
    const arrival = {
      atMs,
      id,
      tenant,
      priority,
      promptTokens,
      cachedTokens: 0,
      expectedTokens: maxTokens * choices,
      bytes: 4 * promptTokens,
      deadlineMs: atMs + core.toLocal(wantedMs),
      random: spec === QUEUE_ONLY ? 0 : random.next(),
    };
    checks.arrived(arrival);
    perform(admission.arrive(arrival, room()), atMs);
    return entry;
  }

  return {
    queued: () => admission.queued,
    inFlight: () => admission.inFlight,
    enter,
    report(message, isServing) {
      const { ref, kvBlocksUsed, kvBlocksTotal, prefillTokens, maxBatchedTokens, queued } = message;
      if (!isServing) busy.forget(ref.worker);
      else {
        const kvRatio = kvBlocksUsed / kvBlocksTotal;
        // Of those waiting at a worker only the policies of others want to know.
        const pressure = { kvRatio, prefillTokens, maxBatchedTokens, queued };
        busy.report(ref.worker, pressure);
        checks.reported(ref.worker, kvRatio, prefillTokens);
      }
      if (admission.queued > 0) tick();
    },
    sent({ worker }, promptTokens, replayedTokens) {
      busy.sent(worker, promptTokens);
      checks.sent(worker, promptTokens);
      if (spec === QUEUE_ONLY) return UNMEASURED;
      return rate.send(worker, promptTokens + replayedTokens, actor.now());
    },
    forget(ref) {
      busy.forget(ref.worker);
      rate.forget(ref.worker);
      checks.forgotten(ref.worker);
    },
    isBusy: (ref) => busy.isBusy(ref.worker),
    check: () => checks.check(actor.now()),
  };
}
