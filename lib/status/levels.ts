import type { LevelState } from './types.js';

/** One step of a ladder of levels: entered at once above `enter`, left after `holdMs` below `leave`. */
export interface Level {
  readonly enter: number;
  readonly leave: number;
}

export const LOWEST: LevelState = { level: 0, belowSinceMs: null };

/**
 * Hysteresis over a value: rises at once to the highest level whose `enter` is exceeded, falls only after the value has
 * been below the present level's `leave` for `holdMs` without a break, so that a value hovering at a threshold cannot flap.
 */
export function stepLevel(
  state: LevelState,
  levels: readonly Level[],
  holdMs: number,
  value: number,
  atMs: number,
): LevelState {
  let entered = 0;
  for (const [index, { enter }] of levels.entries()) if (value > enter) entered = index + 1;
  if (entered > state.level) return { level: entered, belowSinceMs: null };

  const present = levels[state.level - 1];
  if (present === undefined) return state.belowSinceMs === null ? state : LOWEST;
  if (value >= present.leave)
    return state.belowSinceMs === null ? state : { level: state.level, belowSinceMs: null };
  const belowSinceMs = state.belowSinceMs ?? atMs;
  if (atMs - belowSinceMs < holdMs) return { level: state.level, belowSinceMs };
  // Falls to the level that the value still holds: a value between two leave thresholds stops half-way down.
  let level = state.level - 1;
  while (level > 0 && value < (levels[level - 1]?.leave ?? 0)) level -= 1;
  return { level, belowSinceMs: null };
}
