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
  readonly onError: (error: unknown) => void;
}

/** Asks the agent thread, once a stall, where the main thread is stuck. */
export function createStallWatch(options: StallWatchOptions): (busyMs: number) => void {
  const slots = new Float64Array(LOOP_FIELDS.length);
  let capturedSinceMs = Number.NaN;
  return (busyMs) => {
    if (options.afterMs === 0 || busyMs < options.afterMs) return;
    if (!options.source.readLoop(options.loop, slots)) return;
    const busySinceMs = slots[LOOP.busySinceMs] ?? Number.NaN;
    // The start of a stall is computed from two clocks' differences: within a millisecond it is the same stall.
    if (Math.abs(busySinceMs - capturedSinceMs) < 5) return;
    capturedSinceMs = busySinceMs;
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
