/** Scenarios in which a defect has a chance to show. */
import { DEFAULT_CLASSES } from '../../lib/fleet/admission/admission.js';
import type { Profile } from './scenario.js';

export const STORE_DOWN: Profile = { kinds: ['store_outage', 'store_data_loss'], activeMs: 9000 };
export const SILENCE: Profile = { kinds: ['bus_loss', 'pause', 'partition'], faults: [4, 8] };
export const CRASHES: Profile = {
  kinds: ['crash', 'restart', 'lost_finish', 'engine_error'],
  faults: [4, 10],
};
export const SICK: Profile = {
  kinds: ['engine_error', 'crash', 'pause', 'restart'],
  faults: [6, 14],
  activeMs: 14_000,
  requests: [150, 200],
  isPlain: true,
};
/** Trials that last, and requests enough to begin another one. */
export const FLOOD: Profile = {
  kinds: ['engine_error', 'pause'],
  faults: [6, 10],
  activeMs: 12_000,
  requests: [400, 500],
  maxTokens: [20, 60],
  durationsMs: [1500, 3000],
  isPlain: true,
};
/** Some streams of a worker fail while others go on. */
export const GAPS: Profile = { ...SICK, kinds: ['loss'], maxTokens: [30, 150], durationsMs: [1000, 3000] };
/** Everybody fails, but a request comes only every ten minutes. */
export const HOURS: Profile = {
  kinds: ['engine_error'],
  faults: [6, 6],
  activeMs: 4_000_000,
  durationsMs: [20_000_000],
  faultsUntilMs: 1000,
  requests: [10, 10],
  workers: [2, 2],
  isPlain: true,
};

/** More than a few places, and more than one tenant. */
export const QUEUES: Profile = {
  requests: [200, 200],
  activeMs: 5000,
  faults: [0, 0],
  isPlain: true,
  hasTenants: true,
  maxTokens: [10, 40],
  admission: {
    options: {
      maxConcurrent: 3,
      classes: DEFAULT_CLASSES.map((each) => ({ ...each, maxQueue: 40, queueTimeoutMs: 3000 })),
    },
    thresholds: {},
  },
};
/** The same with silent workers and a queue that is soon full. */
export const SILENT: Profile = {
  ...QUEUES,
  faults: [4, 8],
  kinds: ['pause', 'bus_loss'],
  durationsMs: [1000],
  maxTokens: [2, 8],
  admission: {
    options: { classes: DEFAULT_CLASSES.map((each) => ({ ...each, maxQueue: 2 })) },
    thresholds: {},
  },
};
/** Far more than the pool can do, then next to nothing. */
export const BURST: Profile = {
  mode: 'liveness',
  workers: [5, 5],
  requests: [400, 400],
  activeMs: 4000,
  faults: [0, 0],
  isPlain: true,
  maxTokens: [150, 200],
  maxRunning: [4, 4],
  maxWaiting: [32, 32],
  admission: {
    options: {
      maxConcurrent: 10,
      codel: { targetMs: 100, intervalMs: 1000 },
      classes: DEFAULT_CLASSES.map((each) => ({ ...each, queueTimeoutMs: 1000 })),
    },
    thresholds: {},
  },
};
/** Nobody answers any more. */
export const OUTAGE: Profile = {
  kinds: ['engine_error'],
  faults: [40, 40],
  activeMs: 6000,
  faultsUntilMs: 400,
  durationsMs: [20_000],
  requests: [200, 200],
  isPlain: true,
};

/** Workers that fail while others come and go. */
export const CHURN: Profile = {
  ...SICK,
  kinds: ['engine_error', 'restart'],
  hasAllKinds: true,
  faults: [10, 14],
};
