/** The defects of the table in mutants.ts, put into our machines. */
import { stepCanary } from '../../lib/canary/policy.js';
import { createPoolAdmission, DEFAULT_CLASSES } from '../../lib/fleet/admission/admission.js';
import { createBusyWorkers } from '../../lib/fleet/admission/busy-workers.js';
import { createEjector, type Ejector } from '../../lib/fleet/ejector.js';
import { createInstanceCache } from '../../lib/fleet/instance-cache.js';
import { createLoadView, type WorkerLoad } from '../../lib/fleet/load-view.js';
import { createLogicalRequest, type RequestOutput } from '../../lib/fleet/logical-request.js';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';
import type { WorkerRef } from '../../lib/fleet/types.js';
import { type DrainStep, stepDrain } from '../../lib/lifecycle/drain-machine.js';
import { override } from './override.js';

/** Any change of the discovery lets every sick worker back in. */
export function createSweepingEjector(): Ejector {
  const inner = createEjector();
  const refs = new Map<string, WorkerRef>();
  const sweep = (atMs: number): void => {
    for (const ref of refs.values()) inner.remove(ref, atMs);
    for (const ref of refs.values()) inner.add(ref, atMs);
  };
  return override(inner, {
    add(ref, atMs) {
      const old = refs.get(ref.worker);
      if (old !== undefined) inner.remove(old, atMs);
      refs.set(ref.worker, ref);
      sweep(atMs);
    },
    remove(ref, atMs) {
      refs.delete(ref.worker);
      inner.remove(ref, atMs);
      sweep(atMs);
    },
  });
}

/** Whoever asks while a worker is half-open may try. */
export function createOpenHandedEjector(): Ejector {
  const inner = createEjector();
  return override(inner, {
    permit(ref, atMs) {
      const generation = inner.permit(ref, atMs);
      if (generation !== null) inner.outcome(ref, generation, 'cancelled', atMs, 0);
      return generation;
    },
  });
}

/** A trial that has not ended within a moment does not keep the next one from beginning. */
export function createImpatientEjector(): Ejector {
  const inner = createEjector();
  const tried = new Map<string, { ref: WorkerRef; generation: number; atMs: number }>();
  return override(inner, {
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
export function createForgetfulEjector(): Ejector {
  const inner = createEjector();
  return override(inner, {
    outcome(ref, _generation, outcome, atMs, random) {
      const now = inner.permit(ref, Number.NEGATIVE_INFINITY);
      if (now !== null) inner.outcome(ref, now, outcome, atMs, random);
    },
  });
}

/** Nothing ends here: what is complete is sent to the next worker all the same. */
export const createEndlessRequest: typeof createLogicalRequest = (options) =>
  createLogicalRequest({ ...options, request: { ...options.request, maxTokens: null, endTokens: [] } });

/** However many workers die of it, it is sent to the next one. */
export const createPoisonousRequest: typeof createLogicalRequest = (options) =>
  createLogicalRequest({ ...options, limits: { ...options.limits, poisonTokens: 0 } });

/** The text is assembled below the migration, anew for every attempt. */
export const createForgetfulText: typeof createLogicalRequest = (options) => {
  const inner = createLogicalRequest(options);
  const lost = new Set<number>();
  const mark = (out: RequestOutput): RequestOutput => {
    for (const { choice, effect } of out.effects)
      if (effect.type === 'dispatch' && effect.startSeq > 0) lost.add(choice);
    return out;
  };
  return override(inner, {
    start: (atMs) => mark(inner.start(atMs)),
    step: (choice, event) => mark(inner.step(choice, event)),
    stepAll: (event) => mark(inner.stepAll(event)),
    frame: (choice, frame) =>
      inner.frame(choice, lost.delete(choice) ? { ...frame, bytes: new Uint8Array(0) } : frame),
  });
};

/** Drains by sleeping, whatever is in flight. */
export const stepSleep: typeof stepDrain = (state, event): DrainStep => {
  const sleepMs = 2000;
  if (event.type === 'begin') {
    const begun = stepDrain(state, event);
    const sleeping = { ...begun.state, phase: 'draining' as const, startedAtMs: event.atMs };
    const untilMs = event.atMs + sleepMs;
    return { state: { ...sleeping, cutAtMs: untilMs, waitUntilMs: untilMs }, effects: begun.effects };
  }
  if (event.type === 'announced') return { state, effects: [{ type: 'refuse' }] };
  if (event.type === 'time' && event.atMs >= state.startedAtMs + sleepMs)
    return { state: { ...state, phase: 'stopped' }, effects: [{ type: 'exit', code: 0, active: 0 }] };
  return { state, effects: [] };
};

/** What the load of a worker counts as that reports nothing any more. */
function whenStale(change: (load: WorkerLoad) => WorkerLoad): typeof createLoadView {
  return (options) => {
    const inner = createLoadView(options);
    return override(inner, {
      load(ref, atMs) {
        const load = inner.load(ref, atMs);
        return load.isStale ? change(load) : load;
      },
    });
  };
}
export const createFullWhenStale = whenStale((load) => ({ ...load, tokens: Number.MAX_SAFE_INTEGER }));
export const createIdleWhenStale = whenStale((load) => ({ ...load, tokens: 0 }));

/** Stops trying to reach the store after a few failures. */
export const createResigningCache: typeof createInstanceCache = (options) => {
  const inner = createInstanceCache(options);
  let failures = 0;
  return override(inner, {
    step(event) {
      failures = event.type === 'list_failed' ? failures + 1 : event.type === 'listed' ? 0 : failures;
      return inner.step(event);
    },
    nextTimerMs: () => (failures >= 2 ? Number.POSITIVE_INFINITY : inner.nextTimerMs()),
  });
};

/** A store that does not answer is taken for an empty one. */
export const createEmptyingCache: typeof createInstanceCache = (options) => {
  const inner = createInstanceCache({ ...options, isHealthy: () => false });
  let store = '';
  return override(inner, {
    step(event) {
      if (event.type === 'listed') ({ store } = event);
      if (event.type !== 'list_failed') return inner.step(event);
      return inner.step({ ...event, type: 'listed', store, revision: inner.revision, items: [] });
    },
  });
};

/** A worker is gone as soon as its record is. */
export const createCredulousCache: typeof createInstanceCache = (options) =>
  createInstanceCache({ ...options, isHealthy: () => false });

/** One failed canary is enough. */
export const stepNervousCanary: typeof stepCanary = (state, event) =>
  stepCanary({ ...state, policy: { ...state.policy, failures: 1, of: 1 } }, event);

/** A busy engine is a broken one: that it moves does not matter. */
export const stepBlindCanary: typeof stepCanary = (state, event) =>
  stepCanary(state, event.type === 'ended' ? { ...event, progressed: false } : event);

/** There is always one more retry. */
export const createEndlessBudget: typeof createRetryBudget = (options) =>
  override(createRetryBudget(options), { tryWithdraw: () => true });

/** Everything is let in at once. */
export const createOpenAdmission: typeof createPoolAdmission = () => createPoolAdmission();

/** Who waits waits for as long as it takes. */
export const createPatientAdmission: typeof createPoolAdmission = (options = {}) => {
  const { classes = DEFAULT_CLASSES } = options;
  const endless = classes.map((each) => ({ ...each, queueTimeoutMs: 1e9 }));
  const inner = createPoolAdmission({ ...options, classes: endless, feasibility: false });
  return override(inner, {
    arrive: (arrival, room) => inner.arrive({ ...arrival, deadlineMs: Number.POSITIVE_INFINITY }, room),
  });
};

/** One line for all, first come first served. */
export const createOneLine: typeof createPoolAdmission = (options) => {
  const inner = createPoolAdmission(options);
  return override(inner, { arrive: (arrival, room) => inner.arrive({ ...arrival, tenant: '' }, room) });
};

/** Who is refused is not told when to come again. */
export const createCurtAdmission: typeof createPoolAdmission = (options) => {
  const inner = createPoolAdmission(options);
  return override(inner, {
    arrive: (arrival, room) =>
      inner
        .arrive(arrival, room)
        .map((each) => (each.type === 'reject' ? { ...each, retryAfterSeconds: 0 } : each)),
  });
};

/** While a worker's report is overdue, by those that came from others, the pool counts as full. */
export const createSaturatedWhenStale: typeof createBusyWorkers = (initial) => {
  const inner = createBusyWorkers(initial);
  const last = new Map<string, number>();
  let reports = 0;
  return override(inner, {
    report(worker, pressure) {
      last.set(worker, ++reports);
      inner.report(worker, pressure);
    },
    forget(worker) {
      last.delete(worker);
      inner.forget(worker);
    },
    get hasRoom() {
      const isOverdue = [...last.values()].some((each) => reports - each > 1.5 * last.size);
      return inner.hasRoom && !isOverdue;
    },
  });
};
