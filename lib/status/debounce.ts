/** State of an N-in-a-row debouncer. */
export interface DebounceState {
  readonly failing: boolean;
  readonly streak: number;
}

export const PASSING: DebounceState = { failing: false, streak: 0 };

/** Turns failing after `failures` consecutive failures, passing again after `successes` consecutive successes. */
export function stepDebounce(
  state: DebounceState,
  ok: boolean,
  thresholds: { readonly failures: number; readonly successes: number },
): DebounceState {
  if (ok !== state.failing) return state.streak === 0 ? state : { failing: state.failing, streak: 0 };
  const streak = state.streak + 1;
  const needed = state.failing ? thresholds.successes : thresholds.failures;
  return streak >= needed ? { failing: !state.failing, streak: 0 } : { failing: state.failing, streak };
}
