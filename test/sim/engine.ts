/** The engine of a worker: continuous batching with chunked prefill, KV blocks reserved at admission, one token a step. */

import type { Mutable } from '../../lib/fleet/mutable.js';
import type { Engine, EngineFaults, EngineHooks, Job } from './engine-types.js';
import type { Actor } from './kernel.js';
import type { RequestSpec, WorkerSpec } from './scenario.js';
import { beginToy, bytesOf, END_TOKEN, nextToken } from './toy-engine.js';
import type { World } from './world.js';

export type * from './engine-types.js';

const KV_BLOCK_TOKENS = 16;
export const PREFILL_CHUNK = 64;
const QUEUE_NEWS_MS = 500;

export function blocksOf({ promptTokens, maxTokens }: RequestSpec): number {
  return Math.ceil((promptTokens + maxTokens) / KV_BLOCK_TOKENS);
}

export function createEngine(
  { checks }: World,
  actor: Actor,
  spec: WorkerSpec,
  /** They strike the machine and not a life of its process. */
  faults: () => EngineFaults,
  hooks: EngineHooks,
): Engine {
  let running: Job[] = [];
  let waiting: Job[] = [];
  let isStepping = false;
  let isStuck = false;
  let toldMs = Number.NEGATIVE_INFINITY;

  function reserve(blocks: number): void {
    engine.kvUsed += blocks;
    const { kvUsed } = engine;
    checks.check(8, kvUsed >= 0 && kvUsed <= spec.kvBlocks, () => `${spec.name}: ${kvUsed} KV blocks`);
  }

  function admit(): void {
    while (waiting.length > 0 && running.length < spec.maxRunning) {
      const next = waiting[0]!;
      if (engine.kvUsed + next.blocks > spec.kvBlocks) return;
      waiting.shift();
      reserve(next.blocks);
      next.isBegun = true;
      running.push(next);
      engine.waiting = waiting.length;
    }
  }

  function beginStep(): void {
    if (isStepping || running.length + waiting.length === 0) return;
    if (faults().isHung) {
      isStuck = true;
      return;
    }
    admit();
    let prefill = 0;
    for (const job of running) {
      if (job.prefillLeft === 0) continue;
      const chunk = Math.min(job.prefillLeft, PREFILL_CHUNK - prefill);
      job.prefillLeft -= chunk;
      prefill += chunk;
      if (job.submit.request.isPoison) {
        hooks.onPoison(job);
        return;
      }
    }
    engine.scheduledTokens += prefill + running.length;
    isStepping = true;
    const decodeMs = spec.stepMs * (1 + running.length / 32);
    actor.after((decodeMs + prefill / spec.prefillTokensPerMs) * faults().slowness, endStep);
  }

  function endStep(): void {
    if (faults().isHung) {
      isStuck = true;
      return;
    }
    isStepping = false;
    engine.steps += 1;
    for (const job of running.slice()) {
      if (job.isCancelled) end(job);
      else if (job.prefillLeft > 0) job.lane.send(() => job.handler.progress());
      else advance(job);
    }
    tellWaiting();
    check();
    hooks.onStep();
    beginStep();
  }

  /** Those in the queue hear now and then that it moves; otherwise a full worker would look like a silent one. */
  function tellWaiting(): void {
    if (waiting.length === 0 || actor.now() - toldMs < QUEUE_NEWS_MS) return;
    toldMs = actor.now();
    for (const { lane, handler } of waiting) lane.send(() => handler.progress());
  }

  function advance(job: Job): void {
    const { submit, handler, lane } = job;
    const { request, promptEnd } = submit;
    const { failsWith, losesFinish } = faults();
    if (failsWith !== null) {
      end(job);
      lane.send(() => handler.failed(failsWith));
      return;
    }
    if (submit.isWarm) {
      end(job);
      lane.send(() => handler.warmed());
      return;
    }
    job.state ??= {
      ...beginToy(request.seed, submit.choice, request.promptTokens, submit.generated),
      ...(promptEnd === undefined ? {} : { promptEnd }),
    };
    const token = nextToken(job.state);
    const seq = job.length++;
    const bytes = bytesOf(token);
    lane.send(() => handler.frame(seq, token, bytes));
    const isEnd = token === END_TOKEN;
    if (!isEnd && job.length < request.maxTokens) return;
    end(job);
    const { length } = job;
    if (losesFinish) lane.send(() => handler.failed('truncated'));
    else lane.send(() => handler.finish(isEnd ? 'stop' : 'length', length));
  }

  function end(job: Job): void {
    if (job.isBegun) reserve(-job.blocks);
    running = running.filter((other) => other !== job);
    waiting = waiting.filter((other) => other !== job);
    count();
    hooks.onEnd(job);
  }

  function check(): void {
    checks.passed(2);
    let sum = 0;
    for (const { blocks, isCancelled, submit } of running) {
      sum += blocks;
      if (isCancelled) checks.check(5, false, () => `${submit.request.id} still runs at ${spec.name}`);
    }
    const { kvUsed } = engine;
    if (sum !== kvUsed || kvUsed > spec.kvBlocks)
      checks.check(8, false, () => `${spec.name}: ${kvUsed} blocks reserved, ${sum} in use`);
  }

  function count(): void {
    engine.active = running.length + waiting.length;
    engine.waiting = waiting.length;
  }

  const engine: Mutable<Engine> = {
    active: 0,
    waiting: 0,
    kvUsed: 0,
    steps: 0,
    scheduledTokens: 0,
    load() {
      let prefillTokens = 0;
      let decodeTokens = 0;
      for (const list of [running, waiting])
        for (const { prefillLeft, submit, length } of list) {
          prefillTokens += prefillLeft;
          decodeTokens += Math.max(0, submit.request.maxTokens - length);
        }
      return { prefillTokens, activeTokens: prefillTokens + decodeTokens, queued: waiting.length };
    },
    submit(job) {
      waiting.push(job);
      count();
      if (!isStuck) beginStep();
    },
    cancel(job) {
      job.isCancelled = true;
      if (!job.isBegun) end(job);
    },
    wake() {
      if (!isStuck) return;
      isStuck = false;
      if (isStepping) endStep();
      else beginStep();
    },
    jobs: () => [...running, ...waiting],
  };
  return engine;
}
