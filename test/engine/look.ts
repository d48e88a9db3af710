import { type EngineState, initialEngineState, stepEngine } from '../../lib/engine/policy.js';
import { DEFAULT_ENGINE_POLICY, type EnginePolicy } from '../../lib/engine/policy-budgets.js';
import type { EngineLook, WatchFacts } from '../../lib/engine/policy-types.js';

export const QUIET: Omit<EngineLook, 'atMs'> = {
  mainBusyMs: 0,
  isLoading: false,
  running: 0,
  prefilling: 0,
  progress: 0,
  givenUp: 0,
  rhythm: { samples: 0, p99Ms: 0, longestMs: 0 },
  watches: [],
};

export const WATCH: WatchFacts = { id: 1, dead: null, process: 'running', beats: null, check: null };

/** An engine that is looked at every 500 ms of virtual time. */
export function virtualEngine(policy: Partial<EnginePolicy> = {}) {
  let state: EngineState = initialEngineState({ ...DEFAULT_ENGINE_POLICY, ...policy });
  let atMs = 1000;
  const facts: { -readonly [Key in keyof EngineLook]?: EngineLook[Key] } = {};
  const look = (): void => {
    state = stepEngine(state, { ...QUIET, ...facts, atMs });
  };
  look();
  return {
    facts,
    now: () => atMs,
    finding: () => state.finding,
    /** Nobody looks meanwhile. */
    sleep(ms: number): void {
      atMs += ms;
    },
    run(ms: number, each: () => void = () => undefined): void {
      for (const endMs = atMs + ms; atMs < endMs; ) {
        atMs += 500;
        each();
        look();
      }
    },
    /** Milliseconds until something is found, at most `limitMs`. */
    untilFound(limitMs: number, isFound = () => state.finding !== null): number {
      const startedMs = atMs;
      while (!isFound() && atMs - startedMs < limitMs) {
        atMs += 500;
        look();
      }
      return atMs - startedMs;
    },
  };
}

/** An engine that has been seen to be fast. */
export const FAST = { samples: 1000, p99Ms: 40, longestMs: 100 };
