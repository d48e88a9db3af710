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
