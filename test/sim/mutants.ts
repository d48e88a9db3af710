/** The defects that were found in other systems, put into our machines: each has to break one of our promises. */

import { stepCanary } from '../../lib/canary/policy.js';
import { createEjector, type Ejector } from '../../lib/fleet/ejector.js';
import { createInstanceCache } from '../../lib/fleet/instance-cache.js';
import { createLoadView } from '../../lib/fleet/load-view.js';
import { createLogicalRequest, type LogicalRequest } from '../../lib/fleet/logical-request.js';
import type { WorkerRef } from '../../lib/fleet/types.js';
import { type DrainStep, stepDrain } from '../../lib/lifecycle/drain-machine.js';
import type { InvariantNumber } from './invariants.js';
import type { Profile } from './scenario.js';
import type { Machines } from './world.js';

export interface Mutant {
  /** Where it was found, and what it does. */
  readonly defect: string;
  readonly machines: Partial<Machines>;
  readonly caughtBy: InvariantNumber;
  /** Scenarios in which it has a chance to show. */
  readonly profile: Profile;
}

/** Any change of the discovery lets every sick worker back in. */
function createSweepingEjector(): Ejector {
  let inner = createEjector();
  const refs = new Map<string, WorkerRef>();
  const sweep = (atMs: number): void => {
    inner = createEjector();
    for (const ref of refs.values()) inner.add(ref, atMs);
  };
  return forward(() => inner, {
    add(ref, atMs) {
      refs.set(ref.worker, ref);
      sweep(atMs);
    },
    remove(ref, atMs) {
      refs.delete(ref.worker);
      sweep(atMs);
    },
  });
}

/** Whoever asks while a worker is half-open may try. */
function createOpenHandedEjector(): Ejector {
  const inner = createEjector();
  return forward(() => inner, {
    permit(ref, atMs) {
      const generation = inner.permit(ref, atMs);
      if (generation !== null) inner.outcome(ref, generation, 'cancelled', atMs, 0);
      return generation;
    },
  });
}

/** A trial that has not ended within a moment does not keep the next one from beginning. */
function createImpatientEjector(): Ejector {
  const inner = createEjector();
  const tried = new Map<string, { ref: WorkerRef; generation: number; atMs: number }>();
  return forward(() => inner, {
    permit(ref, atMs) {
      const generation = inner.permit(ref, atMs);
      if (generation !== null) tried.set(ref.worker, { ref, generation, atMs });
      return generation;
    },
    view(atMs, isAvailable) {
      for (const [worker, trial] of tried) {
        if (atMs - trial.atMs < 50) continue;
        tried.delete(worker);
        inner.outcome(trial.ref, trial.generation, 'cancelled', atMs, 0);
      }
      return inner.view(atMs, isAvailable);
    },
  });
}

/** Outcomes count whenever their requests began. */
function createForgetfulEjector(): Ejector {
  const inner = createEjector();
  return forward(() => inner, {
    outcome(ref, _generation, outcome, atMs, random) {
      const now = inner.permit(ref, Number.NEGATIVE_INFINITY);
      if (now !== null) inner.outcome(ref, now, outcome, atMs, random);
    },
  });
}

function forward(inner: () => Ejector, changes: Partial<Ejector>): Ejector {
  return {
    add: (ref, atMs) => inner().add(ref, atMs),
    remove: (ref, atMs) => inner().remove(ref, atMs),
    permit: (ref, atMs) => inner().permit(ref, atMs),
    outcome: (ref, generation, outcome, atMs, random) =>
      inner().outcome(ref, generation, outcome, atMs, random),
    strike: (ref, atMs, random) => inner().strike(ref, atMs, random),
    forgive: (ref) => inner().forgive(ref),
    latency: (ref, ratio) => inner().latency(ref, ratio),
    view: (atMs, isAvailable) => inner().view(atMs, isAvailable),
    isEjected: (ref, atMs) => inner().isEjected(ref, atMs),
    ...changes,
  };
}

/** Nothing ends here: what is complete is sent to the next worker all the same. */
const createEndlessRequest: typeof createLogicalRequest = (options) =>
  createLogicalRequest({ ...options, request: { ...options.request, maxTokens: null, endTokens: [] } });

/** The text is assembled below the migration, anew for every attempt. */
const createForgetfulText: typeof createLogicalRequest = (options) => {
  const inner = createLogicalRequest(options);
  const lost = new Set<number>();
  const mark = <T extends ReturnType<LogicalRequest['start']>>(out: T): T => {
    for (const { choice, effect } of out.effects)
      if (effect.type === 'dispatch' && effect.startSeq > 0) lost.add(choice);
    return out;
  };
  return {
    ...inner,
    get isEnded() {
      return inner.isEnded;
    },
    start: (atMs) => mark(inner.start(atMs)),
    step: (choice, event) => mark(inner.step(choice, event)),
    stepAll: (event) => mark(inner.stepAll(event)),
    frame: (choice, frame) =>
      inner.frame(choice, lost.delete(choice) ? { ...frame, bytes: new Uint8Array(0) } : frame),
  };
};

/** Drains by sleeping: five seconds, whatever is in flight. */
const stepSleep: typeof stepDrain = (state, event): DrainStep => {
  const sleepMs = 2000;
  if (event.type === 'begin') {
    const begun = stepDrain(state, event);
    const sleeping = { ...begun.state, phase: 'draining' as const, startedAtMs: event.atMs };
    return {
      state: { ...sleeping, cutAtMs: event.atMs + sleepMs, waitUntilMs: event.atMs + sleepMs },
      effects: begun.effects,
    };
  }
  if (event.type === 'announced') return { state, effects: [{ type: 'refuse' }] };
  if (event.type === 'time' && event.atMs >= state.startedAtMs + sleepMs)
    return { state: { ...state, phase: 'stopped' }, effects: [{ type: 'exit', code: 0, active: 0 }] };
  return { state, effects: [] };
};

/** A worker that reports nothing any more is full. */
const createFullWhenStale: typeof createLoadView = (options) => {
  const inner = createLoadView(options);
  return {
    ...inner,
    get inFlight() {
      return inner.inFlight;
    },
    load(ref, atMs) {
      const load = inner.load(ref, atMs);
      return load.isStale ? { ...load, tokens: Number.MAX_SAFE_INTEGER } : load;
    },
  };
};

/** A worker that reports nothing any more is idle. */
const createIdleWhenStale: typeof createLoadView = (options) => {
  const inner = createLoadView(options);
  return {
    ...inner,
    get inFlight() {
      return inner.inFlight;
    },
    load(ref, atMs) {
      const load = inner.load(ref, atMs);
      return load.isStale ? { ...load, tokens: 0 } : load;
    },
  };
};

/** Stops trying to reach the store after a few failures. */
const createResigningCache: typeof createInstanceCache = (options) => {
  const inner = createInstanceCache(options);
  let failures = 0;
  return {
    ...inner,
    get isSynced() {
      return inner.isSynced;
    },
    get revision() {
      return inner.revision;
    },
    get heardMs() {
      return inner.heardMs;
    },
    step(event) {
      failures = event.type === 'list_failed' ? failures + 1 : event.type === 'listed' ? 0 : failures;
      return inner.step(event);
    },
    nextTimerMs: () => (failures >= 2 ? Number.POSITIVE_INFINITY : inner.nextTimerMs()),
  };
};

/** One failed canary is enough. */
const stepNervousCanary: typeof stepCanary = (state, event) =>
  stepCanary({ ...state, policy: { ...state.policy, failures: 1, of: 1 } }, event);

/** A busy engine is a broken one: that it moves does not matter. */
const stepBlindCanary: typeof stepCanary = (state, event) =>
  stepCanary(state, event.type === 'ended' ? { ...event, progressed: false } : event);

const CRASHES: Profile = { kinds: ['crash', 'restart', 'lost_finish', 'engine_error'], faults: [4, 10] };
const SICK: Profile = {
  kinds: ['engine_error', 'crash', 'pause', 'restart'],
  faults: [6, 14],
  activeMs: 14_000,
  requests: [150, 200],
  isPlain: true,
};
/** Trials that last, and requests enough to begin another one. */
const FLOOD: Profile = {
  kinds: ['engine_error', 'pause'],
  faults: [6, 10],
  activeMs: 12_000,
  requests: [400, 500],
  maxTokens: [20, 60],
  durationsMs: [1500, 3000],
  isPlain: true,
};
/** Some streams of a worker fail while others go on. */
const GAPS: Profile = { ...SICK, kinds: ['loss'], maxTokens: [30, 150], durationsMs: [1000, 3000] };
/** Everybody fails, but a request comes only every ten minutes. */
const HOURS: Profile = {
  kinds: ['engine_error'],
  faults: [6, 6],
  activeMs: 6_000_000,
  durationsMs: [20_000_000],
  faultsUntilMs: 1000,
  requests: [10, 10],
  workers: [2, 2],
  isPlain: true,
};

export const MUTANTS = {
  'inhibition-sweep': {
    defect: 'Dynamo: any discovery event lets every ejected worker back in',
    machines: { createEjector: createSweepingEjector },
    caughtBy: 18,
    profile: SICK,
  },
  'canary-first-chunk': {
    defect: 'Dynamo: the first chunk of a canary decides, one failure is enough, progress does not count',
    machines: { stepCanary: stepNervousCanary, isCanaryFirstToken: true },
    caughtBy: 29,
    profile: { kinds: ['engine_error', 'slow', 'hang'], requests: [50, 50], activeMs: 9000, isPlain: true },
  },
  'live-is-health': {
    defect: 'Dynamo: liveness is the same as readiness, so that a failed canary restarts the worker',
    machines: { diesWithCanary: true },
    caughtBy: 17,
    profile: { kinds: ['engine_error', 'hang'], requests: [50, 50], activeMs: 15_000, isPlain: true },
  },
  'dies-with-lease': {
    defect: 'Dynamo: a lost lease ends the process',
    machines: { diesWithLease: true },
    caughtBy: 17,
    profile: { kinds: ['store_outage', 'store_data_loss'], activeMs: 9000 },
  },
  'resubmits-complete': {
    defect:
      'Dynamo: resubmits with nothing left to generate, or past the end token, when only the finish frame was lost',
    machines: { createLogicalRequest: createEndlessRequest },
    caughtBy: 1,
    profile: { ...CRASHES, kinds: ['lost_finish'] },
  },
  'half-open-flood': {
    defect: 'SMG: everybody may try while a worker is half-open',
    machines: { createEjector: createOpenHandedEjector },
    caughtBy: 11,
    profile: FLOOD,
  },
  'no-generations': {
    defect: 'SMG: a request from before an ejection ends or prolongs it',
    machines: { createEjector: createForgetfulEjector },
    caughtBy: 18,
    profile: GAPS,
  },
  'no-window': {
    defect: 'SMG: failures add up for ever, the window is never read',
    machines: { createEjector: () => createEjector({ windowMs: Number.MAX_SAFE_INTEGER }) },
    caughtBy: 18,
    profile: HOURS,
  },
  'sleeping-drain': {
    defect: 'SMG: a drain is a sleep, whatever is in flight',
    machines: { stepDrain: stepSleep },
    caughtBy: 26,
    profile: { kinds: ['drain'], maxTokens: [20, 200], isPlain: true, activeMs: 8000 },
  },
  'stale-is-full': {
    defect: 'llm-d: a worker whose metrics are stale counts as full',
    machines: { createLoadView: createFullWhenStale },
    caughtBy: 28,
    profile: { kinds: ['bus_loss', 'pause', 'partition'], faults: [4, 8] },
  },
  'half-open-timer': {
    defect: 'opossum: the next trial begins before the last has ended',
    machines: { createEjector: createImpatientEjector },
    caughtBy: 11,
    profile: FLOOD,
  },
  'gives-up': {
    defect: 'nats.js: gives up after so many attempts to reconnect',
    machines: { createInstanceCache: createResigningCache },
    caughtBy: 23,
    profile: { kinds: ['store_outage', 'restart'], faults: [5, 9], mode: 'liveness' },
  },
  'stale-is-idle': {
    defect: 'several: a worker without metrics counts as idle',
    machines: { createLoadView: createIdleWhenStale },
    caughtBy: 28,
    profile: { kinds: ['bus_loss', 'pause', 'partition'], faults: [4, 8] },
  },
  'blind-canary': {
    defect: 'Dynamo: a canary that times out behind other work counts as failed',
    machines: { stepCanary: stepBlindCanary },
    caughtBy: 29,
    profile: { kinds: ['slow'], faults: [6, 10], requests: [50, 50], activeMs: 15_000, isPlain: true },
  },
  'replay-as-prompt': {
    defect: 'Dynamo: generated tokens are appended to the prompt, so that penalties and limits count wrongly',
    machines: {
      onSubmit: (submit) => ({ ...submit, promptEnd: submit.request.promptTokens + submit.generated.length }),
    },
    caughtBy: 1,
    profile: CRASHES,
  },
  'text-below-migration': {
    defect: 'Dynamo: text that was held back when the worker died is lost',
    machines: { createLogicalRequest: createForgetfulText },
    caughtBy: 2,
    profile: CRASHES,
  },
} as const satisfies Record<string, Mutant>;
export type MutantName = keyof typeof MUTANTS;
