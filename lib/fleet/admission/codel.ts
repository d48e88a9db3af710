/**
 * Tells a queue that is only full for a moment from one that stays full: overloaded is what did not empty within an interval.
 * After "Controlling queue delay" (Nichols and Jacobson) as servers use it. See docs/fleet/admission.md.
 */
export interface CodelOptions {
  /** Wait that is fine at any time, milliseconds. Default 100. */
  readonly targetMs?: number;
  /** Default 2000. */
  readonly intervalMs?: number;
}

export interface Codel {
  readonly targetMs: number;
  /** A request left the queue for a worker. */
  scheduled(waitMs: number, atMs: number): void;
  /** The queue is empty: whoever came now would not wait. */
  emptied(atMs: number): void;
  isOverloaded(atMs: number): boolean;
}

export function createCodel(options: CodelOptions = {}): Codel {
  const { targetMs = 100, intervalMs = 2000 } = options;
  let endsMs = Number.NEGATIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  let isOver = false;

  function turn(atMs: number): void {
    if (atMs < endsMs) return;
    // An interval in which nothing left the queue at all says as little as one that is long over.
    isOver = Number.isFinite(least) && atMs - endsMs < intervalMs && least > targetMs;
    least = Number.POSITIVE_INFINITY;
    endsMs = atMs + intervalMs;
  }

  return {
    targetMs,
    scheduled(waitMs, atMs) {
      turn(atMs);
      least = Math.min(least, waitMs);
    },
    emptied(atMs) {
      turn(atMs);
      least = 0;
      isOver = false;
    },
    isOverloaded(atMs) {
      turn(atMs);
      return isOver;
    },
  };
}
