const [seconds, nanoseconds] = process.hrtime();
/** `performance.now()` counts from each thread's own start; this moves it to CLOCK_MONOTONIC, which all threads share. */
const offsetMs = seconds * 1000 + nanoseconds / 1e6 - performance.now();

/** CLOCK_MONOTONIC in milliseconds, the same on every thread of the process (to some microseconds). */
export function monoMs(): number {
  return performance.now() + offsetMs;
}
