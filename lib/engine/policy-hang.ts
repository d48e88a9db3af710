/** How long the main thread has been stalled (not turned for `liveStallMs`) while somebody looked. */
export interface HangState {
  readonly lookedAtMs: number | null;
  readonly stalledMs: number;
}

export const NO_HANG: HangState = { lookedAtMs: null, stalledMs: 0 };

/** A process that was frozen in the midst of a turn looks stalled when it goes on: its main thread must get its chance. */
const LONGEST_LOOK_MS = 2000;
/** Time for the stack of the stall to be captured and written. */
const AT_LEAST_MS = 3000;

export interface HangLook {
  readonly atMs: number;
  readonly isStalled: boolean;
  /** Requests in flight, on whatever thread. */
  readonly active: number;
}

/**
 * Pure. Whether a process whose main thread will not turn again is to be ended: other threads may finish their requests
 * within the grace period, those of the main thread never will.
 */
export function stepHang(
  state: HangState,
  { atMs, isStalled, active }: HangLook,
  graceMs: number,
): { readonly state: HangState; readonly isOver: boolean } {
  const passedMs =
    state.lookedAtMs === null ? 0 : Math.min(LONGEST_LOOK_MS, Math.max(0, atMs - state.lookedAtMs));
  const stalledMs = isStalled ? state.stalledMs + passedMs : 0;
  const limitMs = Math.max(AT_LEAST_MS, active > 0 ? graceMs : 0);
  return { state: { lookedAtMs: atMs, stalledMs }, isOver: isStalled && stalledMs >= limitMs };
}
