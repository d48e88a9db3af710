export interface Quiet {
  /** Milliseconds for which the main thread has been busy; 0 when idle. */
  readonly busyMs: number;
  /** From this many milliseconds on a stall is looked into; 0 = never. */
  readonly stallAfterMs: number;
  /** Milliseconds until the verdict changes by itself; Infinity = it does not. */
  readonly validForMs: number;
  /** Something is watched whose faults the application is to learn of soon: GPUs, an engine, requests. */
  readonly isWatching: boolean;
}

const QUIET_MS = 1000;
const WATCHING_MS = 500;
const LEAST_MS = 50;

/**
 * Milliseconds until the probe thread looks around again without being asked: each time costs what several answers cost.
 * A main thread that is busy now is looked at when it would count as stalled, so that a long interval misses no stall.
 */
export function untilNextLook({ busyMs, stallAfterMs, validForMs, isWatching }: Quiet): number {
  const isStalled = stallAfterMs > 0 && busyMs >= stallAfterMs;
  const regularMs =
    isWatching || isStalled || (stallAfterMs > 0 && stallAfterMs < QUIET_MS) ? WATCHING_MS : QUIET_MS;
  const isBusy = busyMs > 0 && stallAfterMs > 0 && !isStalled;
  const stallMs = isBusy ? stallAfterMs - busyMs : Number.POSITIVE_INFINITY;
  return Math.max(LEAST_MS, Math.ceil(Math.min(regularMs, stallMs, validForMs)));
}
