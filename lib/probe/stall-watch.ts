import type { Agent } from '../agent/client.js';
import type { StallView } from '../dialects/view.js';
import type { NativeAddon } from '../native/addon.js';
import { LOOP, LOOP_FIELDS } from '../native/layout.js';

export interface StallWatchOptions {
  readonly agent: Agent;
  readonly source: NativeAddon;
  readonly loop: number;
  readonly heartbeat: SharedArrayBuffer | null;
  readonly mayInspect: boolean;
  /** Milliseconds; 0 = off. */
  readonly afterMs: number;
  readonly onStall: (stall: StallView) => void;
  /** The loop turns again; how long it was blocked, milliseconds. */
  readonly onEnd: (stallMs: number) => void;
  readonly onError: (error: unknown) => void;
}

/** From this many milliseconds on an iteration of the loop is a stall. */
const STALL_MS = 100;

/** Asks the agent thread, once a stall, where the main thread is stuck. */
export function createStallWatch(options: StallWatchOptions): (busyMs: number) => void {
  const slots = new Float64Array(LOOP_FIELDS.length);
  let capturedSinceMs = Number.NaN;
  /** Sum of all stalls before the one that is going on; null while none is. */
  let earlierMs: number | null = null;

  /** The sum counts an iteration from 100 ms on, also while it goes on. */
  function completedMs(): number {
    const busyMs = slots[LOOP.busyMs] ?? 0;
    return (slots[LOOP.stallTotalMs] ?? Number.NaN) - (busyMs >= STALL_MS ? busyMs : 0);
  }

  function end(before: number): void {
    earlierMs = null;
    const stallMs = completedMs() - before;
    if (stallMs > 0) options.onEnd(stallMs);
  }

  return (busyMs) => {
    if (options.afterMs === 0 || (busyMs < options.afterMs && earlierMs === null)) return;
    if (!options.source.readLoop(options.loop, slots)) return;
    if (busyMs < options.afterMs) {
      if (earlierMs !== null) end(earlierMs);
      return;
    }
    const busySinceMs = slots[LOOP.busySinceMs] ?? Number.NaN;
    // The start of a stall is computed from two clocks' differences: within a millisecond it is the same stall.
    if (Math.abs(busySinceMs - capturedSinceMs) < 5) return;
    if (earlierMs !== null) end(earlierMs);
    capturedSinceMs = busySinceMs;
    earlierMs = completedMs();
    const { loop, heartbeat, mayInspect } = options;
    const request = { loop, busySinceMs, tid: slots[LOOP.tid] ?? 0, mayInspect, heartbeat };
    options.agent.captureStall(request).then(
      (stall) => {
        if (stall !== null && stall.kind !== 'ended') options.onStall(stall);
      },
      (error: unknown) => options.onError(error),
    );
  };
}
