import { LOOP } from './layout.js';

/**
 * How the main loop is watched without the addon: a timer of that loop writes when it last ran. Coarser than the native
 * monitor (100 ms instead of 1), and it wakes an idle loop ten times a second.
 *
 * Int32 slots, one writer, each read and written atomically; times are CLOCK_MONOTONIC milliseconds modulo 2^32, so a
 * stall may last 24 days.
 */
const SLOT = {
  beatAt: 0,
  beats: 1,
  stallCount: 2,
  longestStallMs: 3,
  stallTotalMs: 4,
  utilizationPpm: 5,
} as const;
const SLOTS = 6;

export const HEARTBEAT_INTERVAL_MS = 100;
/** As in the native monitor: what counts as a stall. */
const STALL_MS = 100;
/** Timers fire some milliseconds late on an idle loop. */
const LATENESS_MS = 10;
const BEATS_PER_UTILIZATION = 10;
const NO_UTILIZATION = -1;

export interface Heartbeat {
  readonly buffer: SharedArrayBuffer;
  /** Stops the timer; readers then see a loop that is no longer monitored. Idempotent. */
  stop(): void;
}

const wrap = (milliseconds: number): number => Math.trunc(milliseconds) | 0;

/** Memory for a heartbeat, in which nothing beats yet. */
export function heartbeatBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Starts on the loop of the calling thread; keeps nothing alive.
 * @param now CLOCK_MONOTONIC in milliseconds, as `monoMs()`.
 */
export function startHeartbeat(now: () => number, buffer = heartbeatBuffer()): Heartbeat {
  const slots = new Int32Array(buffer);
  let lastUtilization = performance.eventLoopUtilization();
  Atomics.store(slots, SLOT.utilizationPpm, NO_UTILIZATION);
  Atomics.store(slots, SLOT.beatAt, wrap(now()));
  Atomics.store(slots, SLOT.beats, 1);

  const timer = setInterval(beat, HEARTBEAT_INTERVAL_MS).unref();
  function beat(): void {
    const at = wrap(now());
    const lateMs = ((at - Atomics.load(slots, SLOT.beatAt)) | 0) - HEARTBEAT_INTERVAL_MS;
    if (lateMs >= STALL_MS) {
      Atomics.add(slots, SLOT.stallCount, 1);
      Atomics.add(slots, SLOT.stallTotalMs, lateMs);
      if (lateMs > Atomics.load(slots, SLOT.longestStallMs))
        Atomics.store(slots, SLOT.longestStallMs, lateMs);
    }
    Atomics.store(slots, SLOT.beatAt, at);
    if (Atomics.add(slots, SLOT.beats, 1) % BEATS_PER_UTILIZATION === 0) measureUtilization();
  }
  function measureUtilization(): void {
    const current = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(current, lastUtilization);
    lastUtilization = current;
    // 0 before the loop first turned, where Node cannot tell.
    Atomics.store(slots, SLOT.utilizationPpm, Math.round(Math.min(1, Math.max(0, utilization)) * 1e6));
  }

  return {
    buffer,
    stop() {
      clearInterval(timer);
      Atomics.store(slots, SLOT.beats, 0);
    },
  };
}

/** Milliseconds for which the loop is overdue; 0 when it turns. From any thread. */
export function heartbeatBusyMs(slots: Int32Array, nowMs: number): number {
  const overdue = ((wrap(nowMs) - Atomics.load(slots, SLOT.beatAt)) | 0) - HEARTBEAT_INTERVAL_MS;
  return overdue > LATENESS_MS ? overdue : 0;
}

/** False before the start and after the stop. */
export function isBeating(slots: Int32Array): boolean {
  return Atomics.load(slots, SLOT.beats) !== 0;
}

/** Fills section `loop` as the addon's `readLoop` does; false when nothing beats. */
export function readHeartbeat(slots: Int32Array, nowMs: number, into: Float64Array): boolean {
  if (!isBeating(slots)) return false;
  const busyMs = heartbeatBusyMs(slots, nowMs);
  const isStalled = busyMs >= STALL_MS;
  const load = (slot: number): number => Atomics.load(slots, slot);
  const utilization = load(SLOT.utilizationPpm);
  into[LOOP.busyMs] = busyMs;
  // A whole number while the stall lasts, whatever `nowMs`: it tells one stall from the next.
  into[LOOP.busySinceMs] = busyMs > 0 ? Math.trunc(nowMs) - busyMs : Number.NaN;
  into[LOOP.longestStallMs] = Math.max(load(SLOT.longestStallMs), isStalled ? busyMs : 0);
  into[LOOP.stallCount] = load(SLOT.stallCount) + (isStalled ? 1 : 0);
  into[LOOP.stallTotalMs] = load(SLOT.stallTotalMs) + (isStalled ? busyMs : 0);
  into[LOOP.utilization] = utilization === NO_UTILIZATION ? Number.NaN : utilization / 1e6;
  into[LOOP.iterations] = load(SLOT.beats);
  into[LOOP.tid] = Number.NaN;
  into[LOOP.alive] = 1;
  return true;
}
