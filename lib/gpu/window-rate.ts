/** A counter over a sliding window, thinned so that its memory does not depend on how often it is sampled. */
export interface WindowRate {
  /** Oldest first. */
  readonly points: readonly { readonly atMs: number; readonly value: number }[];
}

export const NO_RATE: WindowRate = { points: [] };

const POINTS = 24;

/** A counter that goes backwards starts anew: the driver was loaded again or the GPU reset. */
export function stepWindow(
  state: WindowRate,
  value: number | null,
  atMs: number | null,
  windowMs: number,
): WindowRate {
  if (value === null || atMs === null) return state;
  const last = state.points.at(-1);
  if (last !== undefined && atMs <= last.atMs) return state;
  if (last !== undefined && (value < last.value || atMs - last.atMs > windowMs)) {
    return { points: [{ atMs, value }] };
  }
  const previous = state.points.at(-2);
  const kept =
    last !== undefined && previous !== undefined && atMs - previous.atMs < windowMs / POINTS
      ? state.points.slice(0, -1)
      : state.points;
  const points = [...kept, { atMs, value }];
  // The oldest point stays while it is the one that makes the window full.
  let first = 0;
  while (points.length - first > 2 && atMs - (points[first + 1]?.atMs ?? atMs) >= windowMs) first += 1;
  return { points: points.slice(first) };
}

/** Increase per millisecond; null until the window is four fifths full. */
export function windowRate(state: WindowRate, windowMs: number): number | null {
  const first = state.points[0];
  const last = state.points.at(-1);
  if (first === undefined || last === undefined) return null;
  const span = last.atMs - first.atMs;
  return span < windowMs * 0.8 ? null : (last.value - first.value) / span;
}
