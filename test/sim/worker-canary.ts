/** The canary of one life of a worker; waits are a tenth of those in production. */
import { type CanaryEnd, type CanaryEvent, initialCanary } from '../../lib/canary/policy.js';
import { NOBODY } from './admission-spec.js';
import type { Engine } from './engine.js';
import { blocksOf } from './engine.js';
import type { Actor } from './kernel.js';
import type { RequestSpec } from './scenario.js';
import type { World } from './world.js';

export interface CanaryRunner {
  start(): void;
  traffic(): void;
}

const TICK_MS = 500;
const POLICY = { waitMs: 1000, timeoutMs: 300, failures: 3, of: 5, jitterPercent: 20, adaptive: false };
const REQUEST: RequestSpec = {
  ...NOBODY,
  id: 'canary',
  atMs: 0,
  frontend: 0,
  seed: 1,
  promptTokens: 2,
  maxTokens: 3,
  choices: 1,
  stop: [],
  deadlineMs: null,
  leavesAfterMs: null,
  isPoison: false,
};

export function createCanaryRunner(
  world: World,
  actor: Actor,
  engine: Engine,
  incarnation: string,
  isRefusing: () => boolean,
): CanaryRunner {
  const { checks, machines, random, stats } = world;
  let state = initialCanary(POLICY, actor.now());
  /** Whether each of the last conclusive test requests really failed. */
  let truth: boolean[] = [];

  function step(event: CanaryEvent): void {
    const next = machines.stepCanary(state, event);
    state = next.state;
    for (const effect of next.effects) {
      if (effect.type === 'send') send(effect.id, effect.timeoutMs);
      else {
        if (effect.report.status !== 'failed') continue;
        stats.unready += 1;
        const failures = truth.filter((each) => each).length;
        checks.check(
          29,
          failures >= POLICY.failures,
          () => `${actor.name} unready after ${failures} failed canaries`,
        );
        if (machines.diesWithCanary) checks.check(17, false, () => `${actor.name} killed by its canary`);
      }
    }
  }

  function send(id: number, timeoutMs: number): void {
    const sentMs = actor.now();
    const before = engine.steps;
    let tokens = 0;
    let isOver = false;
    const job = {
      submit: { request: REQUEST, choice: 0, incarnation, generated: new Int32Array(0), isWarm: false },
      lane: { send: (call: () => void) => call() },
      handler: {
        progress: () => {},
        warmed: () => {},
        frame: () => {
          tokens += 1;
          if (machines.isCanaryFirstToken) end('ok');
        },
        finish: () => end(tokens > 0 ? 'ok' : 'empty'),
        failed: () => end('failed'),
      },
      blocks: blocksOf(REQUEST),
      state: null,
      prefillLeft: REQUEST.promptTokens,
      length: 0,
      isCancelled: false,
      isBegun: false,
      isAbandoned: false,
    };

    function end(how: CanaryEnd): void {
      if (isOver) return;
      isOver = true;
      const progressed = engine.steps !== before;
      const isConclusive = how !== 'refused' && (how !== 'timeout' || !progressed);
      const isFailure = how !== 'ok';
      if (isConclusive) truth = [...truth, isFailure].slice(-POLICY.of);
      const atMs = actor.now();
      step({
        type: 'ended',
        atMs,
        id,
        end: how,
        durationMs: atMs - sentMs,
        progressed,
        detail: null,
        random: random.next(),
      });
    }

    if (isRefusing()) {
      end('refused');
      return;
    }
    engine.submit(job);
    actor.after(timeoutMs, () => {
      if (isOver) return;
      end('timeout');
      engine.cancel(job);
    });
  }

  function tick(): void {
    step({ type: 'time', atMs: actor.now(), busy: engine.active });
    actor.after(TICK_MS, tick);
  }

  return {
    start: () => actor.after(random.between(0, TICK_MS), tick),
    traffic() {
      truth = [];
      step({ type: 'traffic', atMs: actor.now(), random: random.next() });
    },
  };
}
