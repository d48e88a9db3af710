/** Kinds of scenarios that figures are made of. */
import type { Profile } from './scenario.js';

/** Workers die, freeze and drain all the time under long streams; at the end all must be well. */
export const MIGRATIONS: Profile = {
  workers: [6, 8],
  requests: [150, 200],
  faults: [12, 24],
  kinds: ['crash', 'restart', 'pause', 'drain', 'half_open', 'lost_finish', 'reorder', 'duplicate', 'hang'],
  maxTokens: [8, 96],
  migrationLimit: 8,
  isPlain: true,
  activeMs: 6000,
};

/** One fault of one worker, under traffic: how long until the router prefers others. */
export const DETECTION: Profile = {
  mode: 'safety',
  workers: [6, 6],
  requests: [150, 150],
  faults: [1, 1],
  kinds: ['half_open', 'crash', 'pause', 'hang'],
  durationsMs: [30_000],
  faultsUntilMs: 3000,
  isPlain: true,
  activeMs: 15_000,
};

/** Nothing is wrong but pauses of 50 ms, as of a garbage collection, at full load. */
export const PAUSES: Profile = {
  mode: 'safety',
  workers: [5, 5],
  requests: [700, 700],
  faults: [60, 60],
  kinds: ['pause'],
  durationsMs: [50],
  maxTokens: [10, 60],
  isPlain: true,
  activeMs: 20_000,
};

/** The store is out for a minute, lags, loses its data, changes its leader: workers and requests must not notice. */
export const STORE: Profile = {
  mode: 'liveness',
  faults: [3, 6],
  kinds: ['store_outage', 'store_leader', 'store_compaction', 'store_data_loss', 'store_lag', 'store_split'],
  durationsMs: [60_000],
  faultsUntilMs: 10_000,
  activeMs: 95_000,
  requests: [60, 60],
  isPlain: true,
};

/** Every worker answers with an error, all at once and for good. */
export const totalOutage = (requestsPerSecond: number): Profile => ({
  mode: 'safety',
  workers: [5, 5],
  faults: [60, 60],
  kinds: ['engine_error'],
  durationsMs: [1_000_000],
  faultsUntilMs: 400,
  activeMs: OUTAGE_MS,
  requests: [(requestsPerSecond * OUTAGE_MS) / 1000, (requestsPerSecond * OUTAGE_MS) / 1000],
  isPlain: true,
  maxChoices: 1,
});
const OUTAGE_MS = 60_000;

/** Three times what the pool can do, under all limits of ours. */
export const OVERLOAD: Profile = {
  mode: 'safety',
  workers: [5, 5],
  requests: [2500, 2500],
  faults: [0, 0],
  isPlain: true,
  hasTenants: true,
  maxTokens: [20, 80],
  maxChoices: 1,
  maxWaiting: [64, 64],
  activeMs: 20_000,
  admission: {
    options: {
      adaptive: { initialTokens: 4096, minTokens: 512, headroomTokens: 256 },
      codel: { targetMs: 200, intervalMs: 1000 },
      feasibility: true,
    },
    thresholds: {},
  },
};

/** Engines that are slow for a while, and nothing worse: no canary is to call one sick. */
export const SLOW: Profile = {
  mode: 'safety',
  faults: [6, 10],
  kinds: ['slow'],
  requests: [100, 100],
  isPlain: true,
  activeMs: 15_000,
};

/** By the names that `npm run sim -- --profile NAME` knows. */
export const PROFILES: Readonly<Record<string, Profile>> = {
  random: {},
  migrations: MIGRATIONS,
  detection: DETECTION,
  pauses: PAUSES,
  store: STORE,
  overload: OVERLOAD,
  slow: SLOW,
};
