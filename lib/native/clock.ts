// Not the global: that is a getter, and this is on the path of every probe.
import { performance } from 'node:perf_hooks';

const ATTEMPTS = 5;

/** `performance.now()` counts from each thread's own start; this moves it to CLOCK_MONOTONIC, which all threads share. */
const offsetMs = measureOffset();

// The two clocks cannot be read at once, and a thread that lost its processor in between was once 200 ms wrong for ever:
// the narrowest of several attempts counts.
function measureOffset(): number {
  let narrowestMs = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const widthMs = performance.now() - before;
    if (widthMs >= narrowestMs) continue;
    narrowestMs = widthMs;
    offset = seconds * 1000 + nanoseconds / 1e6 - (before + widthMs / 2);
  }
  return offset;
}

/** CLOCK_MONOTONIC in milliseconds, the same on every thread of the process (to some microseconds). */
export function monoMs(): number {
  return performance.now() + offsetMs;
}
