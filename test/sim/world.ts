/** What the parts of one simulated fleet share. */
import { stepCanary } from '../../lib/canary/policy.js';
import { createPoolAdmission } from '../../lib/fleet/admission/admission.js';
import { createBusyWorkers } from '../../lib/fleet/admission/busy-workers.js';
import { createEjector, type Ejector } from '../../lib/fleet/ejector.js';
import type { EjectorOptions } from '../../lib/fleet/ejector-record.js';
import { createInstanceCache } from '../../lib/fleet/instance-cache.js';
import { stepLease } from '../../lib/fleet/lease-keeper.js';
import { createLoadView } from '../../lib/fleet/load-view.js';
import { createLogicalRequest } from '../../lib/fleet/logical-request.js';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';
import { route } from '../../lib/fleet/router.js';
import { createWorkerHealth } from '../../lib/fleet/worker-health.js';
import { stepDrain } from '../../lib/lifecycle/drain-machine.js';
import type { Submit } from './engine.js';
import type { Checks } from './invariants.js';
import type { Actor, Kernel } from './kernel.js';
import type { Network } from './network.js';
import type { Prng } from './prng.js';
import type { Scenario } from './scenario.js';
import type { Stats } from './stats.js';
import type { Store } from './store.js';
import type { BeaconMessage, SimWorker } from './worker.js';

/** Shorter than in production, so that leases end within a scenario. */
export const LEASE_TTL_MS = 3000;
export const RELIST_MS = 20_000;

/** The machines under test. A mutant or a rival puts something else in one of the places. */
export interface Machines {
  readonly createLogicalRequest: typeof createLogicalRequest;
  readonly createEjector: (options?: EjectorOptions) => Ejector;
  readonly createPoolAdmission: typeof createPoolAdmission;
  readonly createBusyWorkers: typeof createBusyWorkers;
  readonly createRetryBudget: typeof createRetryBudget;
  readonly createLoadView: typeof createLoadView;
  readonly createWorkerHealth: typeof createWorkerHealth;
  readonly createInstanceCache: typeof createInstanceCache;
  readonly stepLease: typeof stepLease;
  readonly route: typeof route;
  readonly stepDrain: typeof stepDrain;
  readonly stepCanary: typeof stepCanary;
  /** For mutants of the adapter: changes what is sent to a worker. */
  readonly onSubmit: (submit: Submit) => Submit;
  /** For mutants: the process ends when it loses its lease. */
  readonly diesWithLease: boolean;
  /** For mutants: liveness is the same as readiness. */
  readonly diesWithCanary: boolean;
  /** For mutants: the first token of a canary decides. */
  readonly isCanaryFirstToken: boolean;
  /** False: nothing is known of a worker but the outcomes of requests, as with rivals. */
  readonly hasBeacons: boolean;
}

export const MACHINES: Machines = {
  createLogicalRequest,
  createEjector,
  createPoolAdmission,
  createBusyWorkers,
  createRetryBudget,
  createLoadView,
  createWorkerHealth,
  createInstanceCache,
  stepLease,
  route,
  stepDrain,
  stepCanary,
  onSubmit: (submit) => submit,
  diesWithLease: false,
  diesWithCanary: false,
  isCanaryFirstToken: false,
  hasBeacons: true,
};

export interface World {
  readonly scenario: Scenario;
  readonly kernel: Kernel;
  readonly network: Network;
  readonly random: Prng;
  readonly checks: Checks;
  readonly stats: Stats;
  readonly machines: Machines;
  readonly store: Store;
  readonly workers: SimWorker[];
  worker(name: string): SimWorker;
  publishBeacon(from: Actor, message: BeaconMessage): void;
  /** A poisonous request kills the worker that prefills it. */
  poisoned(worker: SimWorker, submit: Submit, isAbandoned: boolean): void;
  leaseLost(worker: SimWorker): void;
  /** Whether a fault has struck it, or all of the network, so far. */
  isTouched(worker: SimWorker): boolean;
}
