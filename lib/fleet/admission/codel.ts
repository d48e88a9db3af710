/**
 * Tells a queue that is only full for a moment from one that stays full: overloaded is what did not empty within an interval.
 * After "Controlling queue delay" (Nichols and Jacobson) as servers use it. See docs/fleet/admission.md.
 */
export interface CodelOptions {
  /** Wait that is fine at any time, milliseconds. Default 100: 5 % of a time to first token of 2 s. */
  readonly targetMs?: number;
  /** Default 2000: that time itself. */
  readonly intervalMs?: number;
}

export interface Codel {
  readonly targetMs: number;
  /** A request left the queue for a worker. */
  scheduled(waitMs: number): void;
  /** The queue is empty: whoever came now would not wait. */
  emptied(): void;
  /** @param longestWaitMs of those that wait now; 0: nobody does */
  isOverloaded(atMs: number, longestWaitMs: number): boolean;
}

export function createCodel(options: CodelOptions = {}): Codel {
  const { targetMs = 100, intervalMs = 2000 } = options;
  let endsMs = Number.NEGATIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  let isOver = false;
  return {
    targetMs,
    scheduled(waitMs) {
      least = Math.min(least, waitMs);
    },
    emptied() {
      least = 0;
      isOver = false;
    },
    isOverloaded(atMs, longestWaitMs) {
      if (atMs < endsMs) return isOver;
      // Where nobody left in a whole interval, those that still wait tell.
      isOver = Number.isFinite(least) ? least > targetMs : longestWaitMs >= intervalMs;
      least = Number.POSITIVE_INFINITY;
      endsMs = atMs + intervalMs;
      return isOver;
    },
  };
}
