/** A condition that counts only once it has held for a while, and ends only once it has been absent for a while. */
export interface Sustained {
  readonly active: boolean;
  /** Since when the condition has held (inactive) or been absent (active) without a break. */
  readonly turningSinceMs: number | null;
  /** Since when it has been active. */
  readonly sinceMs: number;
  readonly sampledAtMs: number | null;
}

export const QUIET: Sustained = { active: false, turningSinceMs: null, sinceMs: 0, sampledAtMs: null };

export interface Hold {
  readonly enterMs: number;
  readonly leaveMs: number;
  /** Samples further apart than this prove nothing about the time between them. */
  readonly gapMs: number;
}

/**
 * `enter` and `leave` are the two sides of the hysteresis; neither holds between the thresholds. A sample that was already
 * counted, or is unknown (null), changes nothing.
 */
export function stepSustained(
  state: Sustained,
  sample: { readonly enter: boolean; readonly leave: boolean } | null,
  atMs: number | null,
  hold: Hold,
): Sustained {
  if (sample === null || atMs === null || (state.sampledAtMs !== null && atMs <= state.sampledAtMs))
    return state;
  const gap = state.sampledAtMs !== null && atMs - state.sampledAtMs > hold.gapMs;
  const turning = state.active ? sample.leave : sample.enter;
  if (!turning) return { ...state, turningSinceMs: null, sampledAtMs: atMs };
  const turningSinceMs = gap ? atMs : (state.turningSinceMs ?? atMs);
  const needed = state.active ? hold.leaveMs : hold.enterMs;
  if (atMs - turningSinceMs < needed) return { ...state, turningSinceMs, sampledAtMs: atMs };
  return {
    active: !state.active,
    turningSinceMs: null,
    sinceMs: state.active ? state.sinceMs : turningSinceMs,
    sampledAtMs: atMs,
  };
}
