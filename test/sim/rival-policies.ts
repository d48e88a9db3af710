/** Other systems' rules for migration, canaries and admission, re-implemented from what is documented of them. */
import { stepCanary } from '../../lib/canary/policy.js';
import { createPoolAdmission, DEFAULT_CLASSES } from '../../lib/fleet/admission/admission.js';
import { createBusyWorkers } from '../../lib/fleet/admission/busy-workers.js';
import type { WorkerPressure } from '../../lib/fleet/admission/thresholds.js';
import { createLogicalRequest } from '../../lib/fleet/logical-request.js';
import { override } from './override.js';
import type { Machines } from './world.js';

/** Dynamo: three moves in a request's life, one after the other without a wait, and no budget of the pool. */
export const DYNAMO_MIGRATION: Partial<Machines> = {
  createLogicalRequest: ({ hedgeBudget: _none, ...options }) =>
    createLogicalRequest({
      ...options,
      retryBudget: () => true,
      limits: { migrationLimit: 3, lifeLimit: 3, backoffBaseMs: 0, backoffCapMs: 0, poisonTokens: 0 },
    }),
  hasBeacons: false,
};

/** Dynamo: the first chunk of one canary decides, and a time-out counts whatever the engine does meanwhile. */
export const DYNAMO_CANARY: Partial<Machines> = {
  stepCanary: (state, event) =>
    stepCanary(
      { ...state, policy: { ...state.policy, failures: 1, of: 1 } },
      event.type === 'ended' ? { ...event, progressed: false } : event,
    ),
  isCanaryFirstToken: true,
  hasBeacons: false,
};

/** As many wait as there are, first come first served. */
const lines = (maxQueue: number): Machines['createPoolAdmission'] => {
  const classes = DEFAULT_CLASSES.map((each) => ({ ...each, maxQueue, queueTimeoutMs: 1e9 }));
  return () => {
    const inner = createPoolAdmission({ classes });
    return override(inner, {
      arrive: (arrival, room) =>
        inner.arrive({ ...arrival, tenant: '', deadlineMs: Number.POSITIVE_INFINITY }, room),
    });
  };
};

/** Saturated when the mean over the workers of max(queue / 5, KV / 0.8) reaches 1; then all wait. */
export const GIE: Partial<Machines> = {
  createPoolAdmission: lines(5000),
  createBusyWorkers() {
    const inner = createBusyWorkers();
    const scores = new Map<string, number>();
    return override(inner, {
      report(worker, pressure: WorkerPressure & { readonly queued?: number }) {
        scores.set(worker, Math.max((pressure.queued ?? 0) / 5, pressure.kvRatio / 0.8));
        inner.report(worker, pressure);
      },
      forget(worker) {
        scores.delete(worker);
        inner.forget(worker);
      },
      get hasRoom() {
        let sum = 0;
        for (const score of scores.values()) sum += score;
        return scores.size === 0 || sum / scores.size < 1;
      },
    });
  },
  hasBeacons: false,
};

/** Dynamo: refused at once while all workers are above a threshold; nobody waits in front. */
export const STATIC_THRESHOLDS: Partial<Machines> = {
  createPoolAdmission: lines(0),
  createBusyWorkers: () => createBusyWorkers({ activeDecodeBlocks: 0.9, activePrefillTokens: 1024 }),
  hasBeacons: false,
};
