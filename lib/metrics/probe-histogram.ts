import type { HistogramInput, ProbeInput } from './input.js';

/**
 * Upper bounds in milliseconds. An answer takes some ten microseconds, so the low end is fine; 200 ms is the document's
 * limit for liveness, 500 and 1000 those for readiness and health.
 */
export const PROBE_BOUNDS_MS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50, 200, 500, 1000,
] as const;

const STATUS_CLASSES = 5;
const BUCKETS = PROBE_BOUNDS_MS.length + 1;
/** Per route: one counter for each status class, the buckets, the sum of durations. */
const SLOTS = STATUS_CLASSES + BUCKETS + 1;

/** Counts of the answers to probes, in preallocated slots with one writer: the probe thread. */
export interface ProbeHistogram {
  /**
   * Counts one answer. Allocates nothing.
   * @param routeIndex index into the routes given at creation; anything else counts as the last route.
   * @param statusClass 1 to 5, the first digit of the status code; anything else counts as 5.
   * @param durationMs milliseconds, ≥ 0.
   */
  observe(routeIndex: number, statusClass: number, durationMs: number): void;
  /** A copy that may be posted to another thread. */
  snapshot(connections: number): ProbeInput;
}

/** Bytes of storage for so many routes. */
export function probeHistogramBytes(routeCount: number): number {
  return routeCount * SLOTS * Float64Array.BYTES_PER_ELEMENT;
}

/**
 * @param routes label values; the last one takes what belongs to no other (`other`).
 * @param storage shared memory of `probeHistogramBytes(routes.length)`, zero at first. The counts of a probe thread
 *   that was replaced go on in the next one when both are given the same storage.
 */
export function createProbeHistogram(routes: readonly string[], storage?: SharedArrayBuffer): ProbeHistogram {
  const slots = new Float64Array(storage ?? new ArrayBuffer(probeHistogramBytes(routes.length)));
  const last = routes.length - 1;

  const bucketsOf = (route: number) => route * SLOTS + STATUS_CLASSES;

  return {
    observe(routeIndex, statusClass, durationMs) {
      const base = (routeIndex >= 0 && routeIndex < last ? routeIndex : last) * SLOTS;
      const status =
        base + (statusClass >= 1 && statusClass <= STATUS_CLASSES ? statusClass : STATUS_CLASSES) - 1;
      slots[status] = (slots[status] as number) + 1;

      // Linear: nearly every answer falls into the first few buckets.
      let bucket = 0;
      while (bucket < BUCKETS - 1 && durationMs > (PROBE_BOUNDS_MS[bucket] as number)) bucket += 1;
      const slot = base + STATUS_CLASSES + bucket;
      slots[slot] = (slots[slot] as number) + 1;
      const sum = base + SLOTS - 1;
      slots[sum] = (slots[sum] as number) + durationMs;
    },

    snapshot(connections) {
      const counts = new Float64Array(routes.length * STATUS_CLASSES);
      const durations: HistogramInput[] = [];
      const boundsMs = Float64Array.from(PROBE_BOUNDS_MS);
      for (let route = 0; route < routes.length; route += 1) {
        const start = route * SLOTS;
        counts.set(slots.subarray(start, start + STATUS_CLASSES), route * STATUS_CLASSES);
        const buckets = bucketsOf(route);
        durations.push({
          boundsMs,
          counts: slots.slice(buckets, buckets + BUCKETS),
          sumMs: slots[start + SLOTS - 1] as number,
        });
      }
      return { routes, counts, durations, connections };
    },
  };
}
