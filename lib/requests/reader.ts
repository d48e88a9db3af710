import { read64 } from './counter64.js';
import { DURATION_BUCKETS, scalePercentileMs } from './durations.js';
import { type RequestsBlock, SLOT, secondOf, slotBase, slotsUsed } from './layout.js';
import { createMinuteReader, WINDOW_SECONDS } from './minute-reader.js';

/** What is known about the process's requests: totals since start, and the last 60 seconds (this one and the 59 before). */
export interface RequestsSummary {
  /** In flight now. */
  active: number;
  /** Begun since start; at any quiet moment `active + completed + failed`. */
  total: number;
  completed: number;
  failed: number;
  tokensTotal: number;
  /** Of the last 60 s: failed requests in percent of those that ended; 0 when none did. */
  errorRatePercent: number;
  /**
   * Of the last 60 s: durations of requests that ended, failed ones included, in milliseconds; 0 when none did.
   * Percentiles are within 6.25 % (32 µs below 0.5 ms); over 18 minutes they say 18 minutes.
   */
  avgMs: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /**
   * Tokens generated in the last 60 s, divided by the time that this covers: 59 s to 60 s, less while the health is
   * younger than that, at least 1 s.
   */
  tokensPerSecond: number;
  /** Durations since start; the object is reused by the next read. */
  readonly histogram: {
    /** Requests per bucket of DURATION_BOUNDS_MS and above, each including those before it (Prometheus' `le`). */
    readonly cumulative: Float64Array;
    sumMs: number;
  };
  /** Clock in milliseconds at which the last-60-s values change though nothing is counted; Infinity when they are all 0. */
  validUntilMs: number;
}

export interface RequestsReader {
  /** Fills and returns one object, always the same. Nothing is allocated once every slot has been seen. */
  read(nowMs: number): RequestsSummary;
  /** Another number whenever anything was counted; costs one load per slot. For caches, with `validUntilMs`. */
  version(): number;
}

/** Reads the block while its writers write: no locks. One per thread, as it keeps what it has already summed up. */
export function createRequestsReader(block: RequestsBlock): RequestsReader {
  const { words } = block;
  const minute = createMinuteReader(block);
  const cumulative = new Float64Array(DURATION_BUCKETS);
  const summary: RequestsSummary = {
    active: 0,
    total: 0,
    completed: 0,
    failed: 0,
    tokensTotal: 0,
    errorRatePercent: 0,
    avgMs: 0,
    p50Ms: 0,
    p95Ms: 0,
    p99Ms: 0,
    tokensPerSecond: 0,
    histogram: { cumulative, sumMs: 0 },
    validUntilMs: Infinity,
  };

  function readTotals(): void {
    summary.active = summary.total = summary.completed = summary.failed = summary.tokensTotal = 0;
    summary.histogram.sumMs = 0;
    cumulative.fill(0);
    const used = slotsUsed(block);
    for (let slot = 0; slot < used; slot += 1) {
      const base = slotBase(slot);
      // Ends before begins: a request that ends meanwhile is then never in the ends alone.
      summary.completed += read64(words, base + SLOT.completed);
      summary.failed += read64(words, base + SLOT.failed);
      summary.active += Atomics.load(words, base + SLOT.active);
      summary.total += read64(words, base + SLOT.started) - read64(words, base + SLOT.discarded);
      summary.tokensTotal += read64(words, base + SLOT.tokens);
      summary.histogram.sumMs += read64(words, base + SLOT.durationSum) / 1000;
      for (let bucket = 0; bucket < DURATION_BUCKETS; bucket += 1) {
        cumulative[bucket] = (cumulative[bucket] ?? 0) + read64(words, base + SLOT.durations + 2 * bucket);
      }
    }
    let sum = 0;
    for (let bucket = 0; bucket < DURATION_BUCKETS; bucket += 1) {
      sum += cumulative[bucket] ?? 0;
      cumulative[bucket] = sum;
    }
  }

  function readMinute(nowMs: number): void {
    const second = secondOf(block, nowMs);
    const { completed, failed, durationUs, timed, tokens, scale } = minute.read(second);
    const ended = completed + failed;
    summary.errorRatePercent = ended > 0 ? (100 * failed) / ended : 0;
    summary.avgMs = timed > 0 ? durationUs / timed / 1000 : 0;
    summary.p50Ms = scalePercentileMs(scale, timed, 0.5);
    summary.p95Ms = scalePercentileMs(scale, timed, 0.95);
    summary.p99Ms = scalePercentileMs(scale, timed, 0.99);
    const windowBeganMs = block.startedMs + Math.max(0, second - WINDOW_SECONDS) * 1000;
    summary.tokensPerSecond = (1000 * tokens) / Math.max(1000, nowMs - windowBeganMs);
    summary.validUntilMs = ended > 0 || tokens > 0 ? block.startedMs + second * 1000 : Infinity;
  }

  return {
    read(nowMs) {
      readTotals();
      readMinute(nowMs);
      return summary;
    },
    version() {
      let sum = 0;
      const used = slotsUsed(block);
      for (let slot = 0; slot < used; slot += 1)
        sum = (sum + Atomics.load(words, slotBase(slot) + SLOT.version)) | 0;
      return sum;
    },
  };
}
