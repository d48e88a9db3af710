/** The defects of the table in mutants.ts, put into our machines. */
import { stepCanary } from '../../lib/canary/policy.js';
import { createInstanceCache } from '../../lib/fleet/instance-cache.js';
import { createLoadView, type WorkerLoad } from '../../lib/fleet/load-view.js';
import { createLogicalRequest, type RequestOutput } from '../../lib/fleet/logical-request.js';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';
import { type DrainStep, stepDrain } from '../../lib/lifecycle/drain-machine.js';
import { override } from './override.js';

export * from './mutant-admission.js';
export * from './mutant-ejectors.js';

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
