import { rejectUnknown } from './keys.js';
import { DAY_MS, type Get, integer, keysOf, milliseconds, type OptionSpec } from './spec.js';
import { invalid } from './values.js';

/** From a signal to the exit; see `docs/shutdown.md`. */
export interface ShutdownOptions {
  /** Signals that start the shutdown. Default SIGTERM and SIGINT. */
  signals?: readonly NodeJS.Signals[];
  /** Longest time from the signal to the exit, in milliseconds. Default 30000. */
  gracePeriodMs?: number;
  /** For this long after the signal stragglers are still served while readiness says 503, in milliseconds. Default 0. */
  lameDuckMs?: number;
  /** False ends the requests in flight at once, with an explicit terminal error. Default true: they may finish. */
  drain?: boolean;
  /** Longest time for each clean-up hook, in milliseconds. Default 5000. */
  hookTimeoutMs?: number;
}

export interface ShutdownConfig {
  readonly signals: readonly NodeJS.Signals[];
  readonly gracePeriodMs: number;
  readonly lameDuckMs: number;
  readonly drain: boolean;
  readonly hookTimeoutMs: number;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

const PARTS: readonly OptionSpec[] = [
  {
    name: 'shutdown.gracePeriodMs',
    kind: integer(0, DAY_MS),
    fallback: 30_000,
    meaning: 'longest time from the signal to the exit',
  },
  {
    name: 'shutdown.lameDuckMs',
    kind: milliseconds(0),
    fallback: 0,
    meaning: 'after the signal stragglers are served for this long while readiness is 503 already',
  },
  {
    name: 'shutdown.drain',
    kind: { type: 'boolean' },
    fallback: true,
    meaning: '`false`: requests in flight end at once with an explicit error',
  },
  {
    name: 'shutdown.hookTimeoutMs',
    kind: milliseconds(1),
    fallback: 5000,
    meaning: 'longest time for each clean-up hook',
  },
];

const KEYS = ['signals', ...keysOf('shutdown', PARTS)];

export const SHUTDOWN_SPECS: readonly OptionSpec[] = [
  {
    name: 'shutdown',
    kind: { type: 'section', keys: KEYS },
    fallback: false,
    meaning: 'install signal handlers that drain and exit',
    isNoFlag: true,
  },
  ...PARTS,
];

/** What drains without a signal handler of ours (a failed GPU or engine, the admin listener) goes by these as well. */
export function drainOf(get: Get): ShutdownConfig {
  const value = get<boolean | ShutdownOptions>('shutdown');
  const given: ShutdownOptions = typeof value === 'boolean' ? {} : value;
  rejectUnknown('option shutdown', given, KEYS);
  const signals = given.signals ?? ['SIGTERM', 'SIGINT'];
  if (!Array.isArray(signals) || signals.length === 0 || !signals.every((name) => SIGNALS.includes(name))) {
    throw invalid('option shutdown.signals', `an array of ${SIGNALS.join(', ')}`, signals);
  }
  return Object.freeze({
    signals: Object.freeze([...signals]),
    gracePeriodMs: get<number>('shutdown.gracePeriodMs'),
    lameDuckMs: get<number>('shutdown.lameDuckMs'),
    drain: get<boolean>('shutdown.drain'),
    hookTimeoutMs: get<number>('shutdown.hookTimeoutMs'),
  });
}
