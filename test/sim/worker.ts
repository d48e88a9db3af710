/** A worker process: an engine, beacons, a lease, a canary and a drain. It can die, freeze and come back. */

import type { Mutable } from '../../lib/fleet/mutable.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';
import {
  type AttemptHandler,
  blocksOf,
  createEngine,
  type Engine,
  type Job,
  PREFILL_CHUNK,
} from './engine.js';
import type { Lane } from './network.js';
import { createRegistration, type Registration } from './registration.js';
import type { WorkerSpec } from './scenario.js';
import { type CanaryRunner, createCanaryRunner } from './worker-canary.js';
import { createDrainRunner, type DrainRunner } from './worker-drain.js';
import type { SimWorker } from './worker-types.js';
import type { World } from './world.js';

export type * from './worker-types.js';

interface Life {
  readonly ref: WorkerRef;
  readonly engine: Engine;
  readonly registration: Registration;
  readonly drain: DrainRunner;
  readonly canary: CanaryRunner;
  readonly open: Map<Job, { readonly lane: Lane; readonly handler: AttemptHandler }>;
  isDraining: boolean;
}

const BEACON_MS = 250;

export function createWorker(world: World, spec: WorkerSpec, index: number): SimWorker {
  const { kernel, network, random } = world;
  const actor = kernel.spawn(spec.name, spec.clock);
  let lives = 0;
  let life: Life = begin();

  function begin(): Life {
    lives += 1;
    const ref = { worker: spec.name, incarnation: `${lives}` };
    const open: Life['open'] = new Map();
    const engine = createEngine(world, actor, spec, () => worker, {
      onStep: () => registration.progress(),
      onEnd(job) {
        if (open.delete(job) && !job.isCancelled) canary.traffic();
        drain.active();
      },
      onPoison: (job) => world.poisoned(worker, job.submit, job.isAbandoned),
    });
    const registration = createRegistration(
      world,
      actor,
      () => ({ ref, state: made.isDraining ? 'draining' : 'serving', data: index }),
      () => world.leaseLost(worker),
    );
    const canary = createCanaryRunner(world, actor, engine, ref.incarnation, () => made.isDraining);
    const drain = createDrainRunner(world, actor, {
      active: () => engine.active,
      announce() {
        made.isDraining = true;
        registration.changed();
      },
      cut() {
        for (const [job, { lane, handler }] of [...open]) {
          lane.send(() => handler.failed('draining'));
          engine.cancel(job);
        }
      },
      exit() {
        registration.stop();
        worker.die(false);
        kernel.at(kernel.nowMs + random.between(200, 1500), () => worker.revive());
      },
    });
    const made: Life = { ref, engine, registration, drain, canary, open, isDraining: false };
    return made;
  }

  function start(): void {
    const { ref, engine, registration, canary } = life;
    function beacon(): void {
      const { prefillTokens, activeTokens, queued } = engine.load();
      world.publishBeacon(actor, {
        ref,
        engineStep: engine.steps,
        running: engine.active,
        scheduledTokens: engine.scheduledTokens,
        expectedStepMs: 0,
        prefillTokens,
        activeTokens,
        queued,
        kvBlocksUsed: engine.kvUsed,
        kvBlocksTotal: spec.kvBlocks,
        maxBatchedTokens: PREFILL_CHUNK,
      });
      if (engine.active === 0) registration.progress();
      actor.after(BEACON_MS, beacon);
    }
    actor.after(random.between(0, BEACON_MS), beacon);
    registration.start();
    canary.start();
  }

  function admit(job: Job): void {
    const refuse = (outcome: Outcome, retryAfterMs?: number): void =>
      job.lane.send(() => job.handler.failed(outcome, retryAfterMs));
    const { engine, ref, drain, open } = life;
    if (job.submit.incarnation !== ref.incarnation) refuse('connect');
    else if (drain.isRefusing) refuse('draining');
    else if (worker.isOverloaded || engine.waiting >= spec.maxWaiting || job.blocks > spec.kvBlocks)
      refuse('overloaded', 100);
    else {
      open.set(job, job);
      engine.submit(job);
      drain.active();
    }
  }

  const worker: Mutable<SimWorker> = {
    name: spec.name,
    spec,
    actor,
    ref: life.ref,
    isWell: () =>
      actor.isUp && !actor.isPaused && !life.isDraining && !worker.isHung && worker.failsWith === null,
    slowness: 1,
    isHung: false,
    isOverloaded: false,
    failsWith: null,
    losesFinish: false,
    start,
    connect(from, handler) {
      const there = network.createLane(from, actor, true);
      const lane = network.createLane(actor, from, true);
      if (!actor.isUp) {
        // Nobody listens: the host refuses at once.
        lane.send(() => handler.failed('connect'));
        return { submit: () => {}, cancel: () => {} };
      }
      let job: Job | null = null;
      let isCancelled = false;
      let isAbandoned = false;
      return {
        submit(submit) {
          there.send(() => {
            // A duplicate of the submit, or one that its cancel has overtaken.
            if (job !== null || isCancelled) return;
            job = {
              submit,
              lane,
              handler,
              blocks: blocksOf(submit.request),
              state: null,
              prefillLeft: submit.request.promptTokens + submit.generated.length,
              length: submit.generated.length,
              isCancelled: false,
              isBegun: false,
              isAbandoned,
            };
            admit(job);
          });
        },
        cancel() {
          isAbandoned = true;
          if (job !== null) job.isAbandoned = true;
          there.send(() => {
            isCancelled = true;
            if (job !== null && life.open.has(job)) life.engine.cancel(job);
          });
        },
      };
    },
    die(isHalfOpen) {
      if (!actor.isUp) return;
      // The host ends what is open, unless it has gone with the process.
      if (!isHalfOpen)
        for (const { handler, lane } of life.open.values()) lane.send(() => handler.failed('reset'));
      life.open.clear();
      actor.die();
    },
    revive() {
      if (actor.isUp) return;
      actor.revive();
      life = begin();
      worker.ref = life.ref;
      start();
    },
    drain() {
      // A signal, which a stopped process sees when it goes on.
      if (actor.isUp) actor.receive(kernel.nowMs, () => life.isDraining || life.drain.begin());
    },
    wake: () => life.engine.wake(),
  };
  return worker;
}
