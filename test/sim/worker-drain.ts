/** Carries out the drain of one life of a worker, and checks that it keeps its promises. */

import type { Mutable } from '../../lib/fleet/mutable.js';
import { type DrainEvent, drainWakeAtMs, initialDrain } from '../../lib/lifecycle/drain-machine.js';
import type { Actor } from './kernel.js';
import type { World } from './world.js';

export interface DrainRunner {
  readonly isRefusing: boolean;
  begin(): void;
  /** Requests in flight have changed. */
  active(): void;
}

export interface DrainPorts {
  active(): number;
  announce(): void;
  cut(): void;
  exit(): void;
}

export const GRACE_PERIOD_MS = 4000;
const LAME_DUCK_MS = 300;
/** How long a worker may idle in its drain before somebody should have noticed. */
const IDLE_LIMIT_MS = 1000;

export function createDrainRunner(world: World, actor: Actor, ports: DrainPorts): DrainRunner {
  const { kernel, checks, machines, random } = world;
  let state = initialDrain();
  let timerMs = Number.POSITIVE_INFINITY;
  let begunMs = 0;
  let unreadyMs = Number.POSITIVE_INFINITY;
  let idleSinceMs: number | null = null;
  let wasCut = false;
  let pausesBefore = 0;

  function step(event: DrainEvent): void {
    const next = machines.stepDrain(state, event);
    state = next.state;
    for (const effect of next.effects) {
      switch (effect.type) {
        case 'announce':
          ports.announce();
          actor.after(random.between(1, 20), () => {
            unreadyMs = kernel.nowMs;
            step({ type: 'announced', atMs: actor.now() });
          });
          break;
        case 'refuse':
          runner.isRefusing = true;
          checks.check(9, unreadyMs <= kernel.nowMs, () => `${actor.name} refuses before its probes say so`);
          break;
        case 'cut':
          wasCut = true;
          ports.cut();
          break;
        case 'run-hooks':
          actor.after(10, () => step({ type: 'hooks-ended', atMs: actor.now(), isLate: false }));
          break;
        case 'exit':
          checkExit();
          ports.exit();
          return;
        case 'hurry-hooks':
        case 'serve-again':
          break;
      }
    }
    const atMs = drainWakeAtMs(state);
    if (atMs >= timerMs || atMs === Number.POSITIVE_INFINITY) return;
    timerMs = atMs;
    actor.after(Math.max(atMs - actor.now(), 0) + 0.01, () => {
      timerMs = Number.POSITIVE_INFINITY;
      step({ type: 'time', atMs: actor.now() });
    });
  }

  function checkExit(): void {
    // A process that stood still meanwhile cannot keep its times.
    if (actor.pauses !== pausesBefore) return;
    const tookMs = actor.now() - begunMs;
    const active = ports.active();
    checks.check(26, tookMs <= GRACE_PERIOD_MS + 100, () => `${actor.name} drained for ${tookMs} ms`);
    checks.check(
      26,
      active === 0 || wasCut,
      () => `${actor.name} left with ${active} requests and ${GRACE_PERIOD_MS - tookMs} ms to spare`,
    );
    if (idleSinceMs !== null) {
      const idleMs = actor.now() - idleSinceMs;
      checks.check(26, idleMs <= IDLE_LIMIT_MS, () => `${actor.name} idled for ${idleMs} ms in its drain`);
    }
  }

  function watchIdle(): void {
    if (ports.active() > 0) idleSinceMs = null;
    else idleSinceMs ??= actor.now();
  }

  const runner: Mutable<DrainRunner> = {
    isRefusing: false,
    begin() {
      begunMs = actor.now();
      pausesBefore = actor.pauses;
      watchIdle();
      step({
        type: 'begin',
        atMs: begunMs,
        cause: {
          reason: 'SIGTERM',
          exits: true,
          exitCode: 0,
          deadlineCode: 1,
          isFinal: false,
          isLeftToOthers: false,
        },
        policy: { gracePeriodMs: GRACE_PERIOD_MS, lameDuckMs: LAME_DUCK_MS, drain: true, hooksMs: 100 },
        active: ports.active(),
      });
    },
    active() {
      if (state.phase === 'serving') return;
      watchIdle();
      step({ type: 'active', atMs: actor.now(), count: ports.active() });
    },
  };
  return runner;
}
