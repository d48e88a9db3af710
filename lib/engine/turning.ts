/**
 * Time in which this thread's loop turned. A deadline measured by the clock would be over at the end of every long block,
 * before what arrived in time has been read: here a block counts as one short slice.
 */
const SLICE_MS = 100;

/** Calls back once after `ms` of turning time; keeps nothing alive. Returns the cancellation. */
export function afterTurning(ms: number, callback: () => void): () => void {
  let leftMs = ms;
  let startedMs = performance.now();
  let timer = setTimeout(tick, Math.min(SLICE_MS, ms)).unref();
  function tick(): void {
    const nowMs = performance.now();
    leftMs -= Math.min(2 * SLICE_MS, nowMs - startedMs);
    startedMs = nowMs;
    if (leftMs <= 0) callback();
    else timer = setTimeout(tick, Math.min(SLICE_MS, leftMs)).unref();
  }
  return () => clearTimeout(timer);
}
