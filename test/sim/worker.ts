/** A worker: the toy engine with batches, prefill and KV blocks, beacons, a lease, and a drain. Its process can die. */
import { initialLease, type LeaseEvent, leaseTimerMs } from '../../lib/fleet/lease-keeper.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';
import type { Beacon } from '../../lib/fleet/worker-health.js';
import type { Actor } from './kernel.js';
import type { Lane } from './network.js';
import type { RequestSpec, WorkerSpec } from './scenario.js';
import type { StoreClient } from './store.js';
import { beginToy, bytesOf, END_TOKEN, nextToken, type ToyState } from './toy-engine.js';
import { LEASE_TTL_MS, type World } from './world.js';

/** What a worker sends back on the connection of one attempt. */
export interface AttemptHandler {
  progress(): void;
  warmed(): void;
  frame(seq: number, tokenId: number, bytes: Uint8Array): void;
  finish(reason: 'stop' | 'length', length: number): void;
  /** Also what the socket says: `reset`, `truncated`, `connect`. */
  failed(outcome: Outcome, retryAfterMs?: number): void;
}

export interface Submit {
  readonly request: RequestSpec;
  readonly choice: number;
  readonly incarnation: string;
  readonly generated: Int32Array;
  /** Generate nothing, only prefill. */
  readonly isWarm: boolean;
  /** For mutants of the replay contract. */
  readonly promptEnd?: number;
  readonly maxTokens?: number;
}

export interface Connection {
  submit(submit: Submit): void;
  cancel(): void;
}

export interface SimWorker {
  readonly name: string;
  readonly spec: WorkerSpec;
  readonly actor: Actor;
  readonly ref: WorkerRef;
  readonly kvUsed: number;
  readonly isDraining: boolean;
  /** Requests in the engine. */
  readonly active: number;
  /** Nothing is wrong with it now, and it takes requests. */
  readonly isWell: boolean;
  /** Times it has died without a fault that says so. */
  slowness: number;
  isHung: boolean;
  isOverloaded: boolean;
  failsWith: Outcome | null;
  losesFinish: boolean;
  start(): void;
  connect(from: Actor, handler: AttemptHandler): Connection;
  die(isHalfOpen: boolean): void;
  revive(): void;
  drain(): void;
  /** Wakes the engine after a hang. */
  wake(): void;
  checkGauges(): void;
}

interface OpenConnection {
  /** The other side has said that it wants no more; here it may not have arrived. */
  isAbandoned: boolean;
  readonly handler: AttemptHandler;
  readonly lane: Lane;
}

interface Job {
  readonly connection: OpenConnection;
  readonly submit: Submit;
  readonly lane: Lane;
  readonly handler: AttemptHandler;
  readonly blocks: number;
  state: ToyState | null;
  prefillLeft: number;
  length: number;
  isCancelled: boolean;
  isBegun: boolean;
}

const BEACON_MS = 250;
const KV_BLOCK_TOKENS = 16;
const PREFILL_CHUNK = 64;
export const DRAIN_BUDGET_MS = 8000;

export type BeaconMessage = Omit<Beacon, 'atMs'> & {
  readonly ref: WorkerRef;
  readonly activeTokens: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
};

export function createWorker(world: World, spec: WorkerSpec, index: number): SimWorker {
  const { kernel, network, random, checks, machines } = world;
  const actor = kernel.spawn(spec.name, spec.clock);
  let lives = 0;
  let ref: WorkerRef = { worker: spec.name, incarnation: '' };
  let jobs: Job[] = [];
  let waiting: Job[] = [];
  let engineStep = 0;
  let scheduledTokens = 0;
  let kvUsed = 0;
  let isStepping = false;
  let isStuck = false;
  let isDraining = false;
  let drainedMs = 0;
  let progressMs = 0;
  const connections = new Set<OpenConnection>();
  let lease = initialLease({ ttlMs: LEASE_TTL_MS });
  let store: StoreClient | null = null;

  const active = (): number => jobs.length + waiting.length;

  // --- the engine ---

  function stepSoon(): void {
    if (isStepping || active() === 0) return;
    if (worker.isHung) {
      isStuck = true;
      return;
    }
    while (waiting.length > 0 && jobs.length < spec.maxRunning) {
      const next = waiting[0]!;
      if (kvUsed + next.blocks > spec.kvBlocks) break;
      waiting.shift();
      kvUsed += next.blocks;
      next.isBegun = true;
      jobs.push(next);
    }
    let prefill = 0;
    for (const job of jobs) {
      if (job.prefillLeft === 0) continue;
      const chunk = Math.min(job.prefillLeft, PREFILL_CHUNK - prefill);
      job.prefillLeft -= chunk;
      prefill += chunk;
      if (job.submit.request.isPoison && !job.submit.isWarm) {
        world.poisoned(worker, job.submit, job.connection.isAbandoned);
        return;
      }
    }
    scheduledTokens += prefill + jobs.length;
    isStepping = true;
    const stepMs =
      (spec.stepMs * (1 + jobs.length / 32) + prefill / spec.prefillTokensPerMs) * worker.slowness;
    actor.after(stepMs, endStep);
  }

  function endStep(): void {
    if (worker.isHung) {
      isStuck = true;
      return;
    }
    isStepping = false;
    engineStep += 1;
    progress();
    for (const job of jobs.slice()) {
      if (job.isCancelled) {
        end(job);
        continue;
      }
      if (job.prefillLeft > 0) {
        job.lane.send(() => job.handler.progress());
        continue;
      }
      advance(job);
    }
    worker.checkGauges();
    stepSoon();
    if (isDraining && active() === 0) exitDrained();
  }

  function advance(job: Job): void {
    const { submit, handler, lane } = job;
    const { request } = submit;
    if (worker.failsWith !== null) {
      const outcome = worker.failsWith;
      end(job);
      lane.send(() => handler.failed(outcome));
      return;
    }
    if (submit.isWarm) {
      end(job);
      lane.send(() => handler.warmed());
      return;
    }
    job.state ??= beginToy(request.seed, submit.choice, request.promptTokens, submit.generated);
    const state = submit.promptEnd === undefined ? job.state : { ...job.state, promptEnd: submit.promptEnd };
    const token = nextToken(state);
    job.state.hash = state.hash;
    job.state.position = state.position;
    const seq = job.length++;
    const bytes = bytesOf(token);
    lane.send(() => handler.frame(seq, token, bytes));
    const isEnd = token === END_TOKEN;
    if (!isEnd && job.length < (submit.maxTokens ?? request.maxTokens)) return;
    end(job);
    const { length } = job;
    if (worker.losesFinish) lane.send(() => handler.failed('truncated'));
    else lane.send(() => handler.finish(isEnd ? 'stop' : 'length', length));
  }

  function end(job: Job): void {
    connections.delete(job.connection);
    if (job.isBegun) kvUsed -= job.blocks;
    jobs = jobs.filter((other) => other !== job);
    waiting = waiting.filter((other) => other !== job);
  }

  function admit(job: Job): void {
    const { submit, lane, handler } = job;
    const refuse = (outcome: Outcome, retryAfterMs?: number): void =>
      lane.send(() => handler.failed(outcome, retryAfterMs));
    if (submit.incarnation !== ref.incarnation) return refuse('connect');
    if (isDraining) return refuse('draining');
    if (worker.isOverloaded || waiting.length >= spec.maxWaiting || job.blocks > spec.kvBlocks)
      return refuse('overloaded', 100);
    waiting.push(job);
    if (isStuck) return;
    stepSoon();
  }

  // --- beacons ---

  function beacon(): void {
    const message = {
      ref,
      engineStep,
      running: active(),
      scheduledTokens,
      expectedStepMs: 0,
      activeTokens: [...jobs, ...waiting].reduce(
        (sum, { prefillLeft, submit, length }) => sum + prefillLeft + submit.request.maxTokens - length,
        0,
      ),
      kvBlocksUsed: kvUsed,
      kvBlocksTotal: spec.kvBlocks,
    };
    world.publishBeacon(actor, message);
    if (active() === 0) progress();
    actor.after(BEACON_MS, beacon);
  }

  // --- the lease ---

  function progress(): void {
    const atMs = actor.now();
    if (atMs - progressMs < 500) return;
    progressMs = atMs;
    leaseStep({ type: 'progress', atMs, random: 0 });
  }

  function leaseStep(event: LeaseEvent): void {
    const { state, effects } = machines.stepLease(lease, event);
    lease = state;
    for (const effect of effects) {
      const askedMs = actor.now();
      const stamp = (): { atMs: number; random: number } => ({ atMs: actor.now(), random: random.next() });
      switch (effect.type) {
        case 'grant':
          store?.grant(effect.ttlMs, (name) =>
            leaseStep(
              name === 'failed'
                ? { type: 'failed', call: 'grant', lease: null, ...stamp() }
                : { type: 'granted', lease: name, ttlMs: effect.ttlMs, askedMs, ...stamp() },
            ),
          );
          break;
        case 'keep':
          store?.keep(effect.lease, (answer) =>
            leaseStep(
              answer === 'failed'
                ? { type: 'failed', call: 'keep', lease: effect.lease, ...stamp() }
                : answer === 'gone'
                  ? { type: 'gone', lease: effect.lease, ...stamp() }
                  : { type: 'kept', lease: effect.lease, ttlMs: lease.options.ttlMs, askedMs, ...stamp() },
            ),
          );
          break;
        case 'put': {
          const instance = {
            ref,
            state: isDraining ? ('draining' as const) : ('serving' as const),
            data: index,
          };
          store?.put(effect.lease, `instances/${spec.name}`, instance, (answer) =>
            leaseStep(
              answer === 'failed'
                ? { type: 'failed', call: 'put', lease: effect.lease, ...stamp() }
                : answer === 'gone'
                  ? { type: 'gone', lease: effect.lease, ...stamp() }
                  : { type: 'put', lease: effect.lease, version: effect.version, ...stamp() },
            ),
          );
          break;
        }
        case 'revoke':
          store?.revoke(effect.lease);
          break;
        case 'status':
          if (effect.status === 'lost') world.leaseLost(worker);
          break;
      }
    }
    const atMs = leaseTimerMs(lease);
    if (atMs < leaseTimerAtMs) armLease(atMs);
  }

  let leaseTimerAtMs = Number.POSITIVE_INFINITY;
  function armLease(atMs: number): void {
    leaseTimerAtMs = atMs;
    // Rounding of two clocks must not make a timer come too early for ever.
    actor.after(Math.max(atMs - actor.now(), 0) + 0.01, () => {
      if (leaseTimerAtMs !== atMs) return;
      leaseTimerAtMs = Number.POSITIVE_INFINITY;
      leaseStep({ type: 'tick', atMs: actor.now(), random: random.next() });
    });
  }

  // --- life ---

  function start(): void {
    lives += 1;
    ref = { worker: spec.name, incarnation: `${lives}` };
    jobs = [];
    waiting = [];
    kvUsed = 0;
    engineStep = 0;
    scheduledTokens = 0;
    isStepping = false;
    isStuck = false;
    isDraining = false;
    connections.clear();
    progressMs = Number.NEGATIVE_INFINITY;
    leaseTimerAtMs = Number.POSITIVE_INFINITY;
    lease = initialLease({ ttlMs: LEASE_TTL_MS });
    store = world.store.client(actor);
    actor.after(random.between(0, BEACON_MS), beacon);
    leaseStep({ type: 'start', atMs: actor.now(), random: random.next() });
  }

  function exitDrained(): void {
    checks.check(
      26,
      kernel.nowMs - drainedMs <= DRAIN_BUDGET_MS + 2000,
      () => `${spec.name} drained for ${kernel.nowMs - drainedMs} ms`,
    );
    leaseStep({ type: 'stop', atMs: actor.now(), random: 0 });
    worker.die(false);
    kernel.at(kernel.nowMs + random.between(200, 1500), () => worker.revive());
  }

  const worker: SimWorker = {
    name: spec.name,
    spec,
    actor,
    get ref() {
      return ref;
    },
    get kvUsed() {
      return kvUsed;
    },
    get isDraining() {
      return isDraining;
    },
    get active() {
      return active();
    },
    get isWell() {
      return actor.isUp && !actor.isPaused && !isDraining && !worker.isHung && worker.failsWith === null;
    },
    slowness: 1,
    isHung: false,
    isOverloaded: false,
    failsWith: null,
    losesFinish: false,
    start,
    connect(from, handler) {
      const there = network.createLane(from, actor, true);
      const lane = network.createLane(actor, from, true);
      const connection: OpenConnection = { handler, lane, isAbandoned: false };
      if (!actor.isUp) {
        // Nobody listens: the host refuses at once.
        lane.send(() => handler.failed('connect'));
        return { submit: () => {}, cancel: () => {} };
      }
      connections.add(connection);
      let job: Job | null = null;
      let isCancelled = false;
      return {
        submit(submit) {
          there.send(() => {
            // A duplicate of the submit, or one that its cancel has overtaken.
            if (job !== null || isCancelled) return;
            const length = submit.generated.length;
            const tokens = submit.request.promptTokens + submit.request.maxTokens;
            job = {
              connection,
              submit,
              lane,
              handler,
              blocks: Math.ceil(tokens / KV_BLOCK_TOKENS),
              state: null,
              prefillLeft: submit.request.promptTokens + length,
              length,
              isCancelled: false,
              isBegun: false,
            };
            admit(job);
          });
        },
        cancel() {
          connection.isAbandoned = true;
          there.send(() => {
            isCancelled = true;
            connections.delete(connection);
            if (job === null) return;
            job.isCancelled = true;
            if (!job.isBegun) end(job);
            if (isDraining && active() === 0) exitDrained();
          });
        },
      };
    },
    die(isHalfOpen) {
      if (!actor.isUp) return;
      // The host ends what is open, unless it has gone with the process.
      if (!isHalfOpen) for (const { handler, lane } of connections) lane.send(() => handler.failed('reset'));
      connections.clear();
      actor.die();
      jobs = [];
      waiting = [];
      kvUsed = 0;
      isDraining = false;
      store = null;
    },
    revive() {
      if (actor.isUp) return;
      actor.revive();
      start();
    },
    drain() {
      if (!actor.isUp || isDraining) return;
      isDraining = true;
      drainedMs = kernel.nowMs;
      leaseStep({ type: 'records', atMs: actor.now(), random: random.next() });
      if (active() === 0) exitDrained();
      actor.after(DRAIN_BUDGET_MS, () => {
        if (!isDraining) return;
        for (const { handler, lane } of connections) lane.send(() => handler.failed('shutdown'));
        connections.clear();
        exitDrained();
      });
    },
    wake() {
      if (!isStuck) return;
      isStuck = false;
      if (isStepping) endStep();
      else stepSoon();
    },
    checkGauges() {
      let sum = 0;
      for (const { blocks } of jobs) sum += blocks;
      checks.passed(2);
      if (sum !== kvUsed || kvUsed > spec.kvBlocks)
        checks.check(8, false, () => `${spec.name}: ${kvUsed} blocks reserved, ${sum} in use`);
      for (const { isCancelled, submit } of jobs)
        if (isCancelled) checks.check(5, false, () => `${submit.request.id} still runs at ${spec.name}`);
    },
  };
  return worker;
}
