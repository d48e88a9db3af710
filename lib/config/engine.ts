import { DEFAULT_ENGINE_POLICY, type EnginePolicy } from '../engine/policy-budgets.js';
import { choice, type Get, milliseconds, type OptionSpec } from './spec.js';
import { invalid } from './values.js';

/** Limits of the progress watchdog and of `health.engine.watch()`; see `docs/engine.md`. All in milliseconds. */
export interface EngineMonitorOptions {
  /** Requests in flight and no progress: never counted as stalled before this. Default 10000. */
  stallFloorMs?: number;
  /** And always after this, however slow the engine was before. Default 120000. */
  stallCeilingMs?: number;
  /** An engine that loads for longer has failed; 0 = never. Default 1800000. */
  loadTimeoutMs?: number;
  /** From a request to its first token. Default: `stallCeilingMs`; it cannot be learned from shorter prompts. */
  prefillTimeoutMs?: number;
  /** Between two tokens. Default: adapted between floor and ceiling. */
  decodeTimeoutMs?: number;
  /** A watched engine whose heartbeat or shared counter stands still for this long is stalled. Default 3000. */
  heartbeatMs?: number;
  /** Between two runs of a user-supplied `check()`. Default 2000. */
  checkIntervalMs?: number;
  /** A `check()` that takes longer has failed; 0 = never. Default 30000. */
  checkTimeoutMs?: number;
  /** For ending a failed engine before the process exits; 0 = no limit. Default 60000. */
  shutdownTimeoutMs?: number;
}

export interface EngineMonitorConfig extends Omit<EnginePolicy, 'liveStallMs'> {
  readonly checkIntervalMs: number;
  readonly checkTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
}

const DEFAULTS: EngineMonitorConfig = {
  ...DEFAULT_ENGINE_POLICY,
  checkIntervalMs: 2000,
  checkTimeoutMs: 30_000,
  shutdownTimeoutMs: 60_000,
};

const limit = (name: keyof EngineMonitorConfig, min: number, meaning: string): OptionSpec => ({
  name: `engineMonitor.${name}`,
  kind: milliseconds(min),
  fallback: DEFAULTS[name],
  meaning,
  isNoFlag: true,
});

export const ENGINE_SPECS: readonly OptionSpec[] = [
  limit('stallFloorMs', 100, 'an engine with requests and without progress is not stalled before this'),
  limit('stallCeilingMs', 100, 'and always after this'),
  limit('loadTimeoutMs', 0, 'an engine that loads for longer has failed; 0 = never'),
  limit('prefillTimeoutMs', 10, 'longest time to the first token; unset: the ceiling'),
  limit('decodeTimeoutMs', 10, 'longest time between tokens; unset: adapted between floor and ceiling'),
  limit('heartbeatMs', 50, 'a watched engine that gives no heartbeat for this long is stalled'),
  limit('checkIntervalMs', 50, 'time between two runs of the `check` of the engine'),
  limit('checkTimeoutMs', 0, 'a `check` of the engine that takes longer has failed; 0 = never'),
  limit('shutdownTimeoutMs', 0, 'longest time to end a failed engine; 0 = no limit'),
  {
    name: 'onEngineFailure',
    kind: choice('shutdown', 'unready', 'ignore'),
    fallback: 'unready',
    meaning: 'on a dead or stalled engine: drain and exit with 1, only be not ready, or only report',
    isNoFlag: true,
  },
];

/** Throws ERR_CONFIG_INVALID where the floor is above the ceiling. */
export function engineMonitorOf(get: Get): EngineMonitorConfig {
  const number = (name: string): number => get<number>(`engineMonitor.${name}`);
  const optional = (name: string): number | null => get<number | null>(`engineMonitor.${name}`);
  const stallFloorMs = number('stallFloorMs');
  const stallCeilingMs = number('stallCeilingMs');
  if (stallFloorMs > stallCeilingMs) {
    const atMost = `at most engineMonitor.stallCeilingMs (${stallCeilingMs})`;
    throw invalid('option engineMonitor.stallFloorMs', atMost, stallFloorMs);
  }
  return Object.freeze({
    stallFloorMs,
    stallCeilingMs,
    loadTimeoutMs: number('loadTimeoutMs'),
    prefillTimeoutMs: optional('prefillTimeoutMs'),
    decodeTimeoutMs: optional('decodeTimeoutMs'),
    heartbeatMs: number('heartbeatMs'),
    checkIntervalMs: number('checkIntervalMs'),
    checkTimeoutMs: number('checkTimeoutMs'),
    shutdownTimeoutMs: number('shutdownTimeoutMs'),
  });
}
