import type { RawFinding } from './finding.js';
import type { LeakPolicy } from './policy-options.js';

/**
 * GPU memory that grows although the load does not. One bucket a minute keeps the smallest memory use (what stays when work
 * is done) and the mean number of requests in flight. A leak needs growth through the whole window: its three thirds must
 * rise one after the other, so that a model being loaded, which is one step, is none; and no later third may have had
 * more load than an earlier one.
 */
export interface Leak {
  /** Complete minutes, oldest first. */
  readonly buckets: readonly Bucket[];
  readonly open: OpenBucket | null;
  readonly sampledAtMs: number | null;
  readonly baselineMb: number | null;
  /** Since when a leak has been reported. */
  readonly sinceMs: number | null;
}

interface Bucket {
  readonly minute: number;
  readonly memoryMb: number;
  /** Null: requests are not tracked. */
  readonly load: number | null;
}

interface OpenBucket {
  readonly minute: number;
  readonly memoryMb: number;
  readonly loadSum: number;
  readonly loadCount: number;
}

export const NO_LEAK: Leak = {
  buckets: [],
  open: null,
  sampledAtMs: null,
  baselineMb: null,
  sinceMs: null,
};

const MINUTE_MS = 60_000;
/** As everywhere in the document. */
const BYTES_PER_MB = 1024 * 1024;
/** Later load may be this much above earlier load and still count as the same. */
const LOAD_TOLERANCE = { ratio: 1.1, requests: 0.5 };
const TREND_POINTS = 10;

/** `memoryBytes` of this process on the GPU where known, else of the GPU; `load`: requests in flight, null if untracked. */
export function stepLeak(
  state: Leak,
  memoryBytes: number | null,
  load: number | null,
  atMs: number | null,
  policy: LeakPolicy,
): Leak {
  if (memoryBytes === null || atMs === null || (state.sampledAtMs !== null && atMs <= state.sampledAtMs)) {
    return state;
  }
  const minute = Math.floor(atMs / MINUTE_MS);
  const memoryMb = memoryBytes / BYTES_PER_MB;
  const added = { loadSum: load ?? 0, loadCount: load === null ? 0 : 1 };
  const { open } = state;
  const baselineMb = state.baselineMb ?? memoryMb;
  if (open !== null && open.minute === minute) {
    const grown: OpenBucket = {
      minute,
      memoryMb: Math.min(open.memoryMb, memoryMb),
      loadSum: open.loadSum + added.loadSum,
      loadCount: open.loadCount + added.loadCount,
    };
    return { ...state, open: grown, sampledAtMs: atMs };
  }
  // After a gap of more than a quarter of the window the old minutes say nothing about the new ones.
  const gap = open !== null && minute - open.minute > policy.windowMinutes / 4;
  const buckets = gap || open === null ? [] : [...state.buckets, close(open)];
  const recent = buckets.filter((bucket) => bucket.minute > minute - 1 - policy.windowMinutes);
  const next = {
    ...state,
    buckets: recent,
    open: { minute, memoryMb, ...added },
    sampledAtMs: atMs,
    baselineMb,
  };
  const threshold = state.sinceMs === null ? policy.growthMbPerMinute : policy.growthMbPerMinute / 2;
  return { ...next, sinceMs: isLeaking(recent, threshold, policy) ? (state.sinceMs ?? atMs) : null };
}

function close({ minute, memoryMb, loadSum, loadCount }: OpenBucket): Bucket {
  return { minute, memoryMb, load: loadCount === 0 ? null : loadSum / loadCount };
}

function isLeaking(buckets: readonly Bucket[], thresholdMbPerMinute: number, policy: LeakPolicy): boolean {
  if (buckets.length < policy.windowMinutes * 0.8) return false;
  const size = Math.floor(buckets.length / 3);
  const thirds = [buckets.slice(0, size), buckets.slice(size, -size), buckets.slice(-size)].map((third) => ({
    minute: median(third.map((bucket) => bucket.minute)),
    memoryMb: median(third.map((bucket) => bucket.memoryMb)),
    load: meanLoad(third),
  }));
  for (const [index, later] of thirds.entries()) {
    for (const earlier of thirds.slice(0, index)) {
      if (later.load === null || earlier.load === null) return false;
      if (later.load > earlier.load * LOAD_TOLERANCE.ratio + LOAD_TOLERANCE.requests) return false;
      const rate = (later.memoryMb - earlier.memoryMb) / (later.minute - earlier.minute);
      // Each step must carry its part; the whole must reach the threshold.
      const whole = index === 2 && earlier === thirds[0];
      if (rate < (whole ? thresholdMbPerMinute : thresholdMbPerMinute / 2)) return false;
    }
  }
  return true;
}

function meanLoad(buckets: readonly Bucket[]): number | null {
  const known = buckets.map(({ load }) => load).filter((load) => load !== null);
  return known.length < buckets.length / 2 ? null : known.reduce((sum, load) => sum + load, 0) / known.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2;
}

/** Median of the slopes between all pairs of minutes (Theil and Sen): one outlier does not move it. */
export function growthMbPerMinute({ buckets }: Leak): number {
  const slopes: number[] = [];
  for (const [index, later] of buckets.entries()) {
    for (const earlier of buckets.slice(0, index)) {
      slopes.push((later.memoryMb - earlier.memoryMb) / (later.minute - earlier.minute));
    }
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

export function judgeLeak(state: Leak): RawFinding | null {
  if (state.sinceMs === null) return null;
  return {
    code: 'gpu.memory_leak',
    severity: 'degraded',
    action: 'restart',
    message: `GPU memory grows by ${growthMbPerMinute(state).toFixed(0)} MB a minute without more requests`,
    sinceMs: state.sinceMs,
  };
}

/** `metrics.gpu_memory_leak` with BitNet.rs's keys. */
export interface LeakReport {
  readonly leak_detected: boolean;
  readonly growth_rate_mb_per_min: number;
  readonly sample_count: number;
  readonly current_memory_mb: number;
  readonly baseline_memory_mb: number;
  readonly memory_trend?: readonly number[];
  readonly warning?: string;
}

export function leakReport(state: Leak, policy: LeakPolicy): LeakReport {
  const { buckets, open, sinceMs } = state;
  const trend = buckets.slice(-TREND_POINTS).map(({ memoryMb }) => memoryMb);
  const untracked = buckets.length > 0 && buckets.every(({ load }) => load === null);
  const warning = untracked
    ? 'Request load unknown: growth cannot be judged'
    : buckets.length < policy.windowMinutes * 0.8
      ? `Insufficient samples for leak detection (${buckets.length} of ${Math.ceil(policy.windowMinutes * 0.8)} minutes)`
      : sinceMs !== null
        ? (judgeLeak(state)?.message ?? '')
        : null;
  return {
    leak_detected: sinceMs !== null,
    growth_rate_mb_per_min: growthMbPerMinute(state),
    sample_count: buckets.length,
    current_memory_mb: open?.memoryMb ?? 0,
    baseline_memory_mb: state.baselineMb ?? 0,
    ...(trend.length > 0 ? { memory_trend: trend } : {}),
    ...(warning === null ? {} : { warning }),
  };
}
