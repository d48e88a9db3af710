import type { RawFinding } from './finding.js';
import type { LeakPolicy } from './policy-options.js';

/**
 * GPU memory that grows although the load does not. One bucket a minute keeps the smallest memory use (what stays when work
 * is done) and the mean number of requests in flight. Only pairs of minutes whose later one had no more load count. A leak
 * is when almost all of them rise, by enough, and when each quarter of the window lies above the one before, so that
 * loading a model, which is one step, or two, is none.
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
/** Flat load with noise leaves half of the pairs, rising load few: then growth is its consequence and nothing is judged. */
const COMPARABLE_SHARE = 0.35;
/** Noise alone makes half of the pairs rise. To enter, and to stay. */
const RISING_SHARE = { enter: 0.85, stay: 0.75 };
const QUARTERS = 4;
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
  const leaking = isLeaking(recent, state.sinceMs !== null, policy);
  return { ...next, sinceMs: leaking ? (state.sinceMs ?? atMs) : null };
}

function close({ minute, memoryMb, loadSum, loadCount }: OpenBucket): Bucket {
  return { minute, memoryMb, load: loadCount === 0 ? null : loadSum / loadCount };
}

function isLeaking(buckets: readonly Bucket[], already: boolean, policy: LeakPolicy): boolean {
  if (buckets.length < policy.windowMinutes * 0.8) return false;
  const threshold = already ? policy.growthMbPerMinute / 2 : policy.growthMbPerMinute;
  if (!risesByQuarters(buckets, threshold)) return false;
  const slopes = comparableSlopes(buckets);
  const pairs = (buckets.length * (buckets.length - 1)) / 2;
  if (slopes.length < pairs * COMPARABLE_SHARE) return false;
  const rising = slopes.filter((slope) => slope > 0).length / slopes.length;
  return rising >= (already ? RISING_SHARE.stay : RISING_SHARE.enter) && median(slopes) >= threshold;
}

function risesByQuarters(buckets: readonly Bucket[], thresholdMbPerMinute: number): boolean {
  const size = buckets.length / QUARTERS;
  let previous: number | null = null;
  for (let quarter = 0; quarter < QUARTERS; quarter += 1) {
    const part = buckets.slice(Math.round(quarter * size), Math.round((quarter + 1) * size));
    const level = median(part.map(({ memoryMb }) => memoryMb));
    // A third of the threshold: each quarter has to carry its part, the whole is judged by its slope.
    if (previous !== null && level - previous < (thresholdMbPerMinute * size) / 3) return false;
    previous = level;
  }
  return true;
}

/** Slopes between minutes of which the later had no more load. Minutes of unknown load compare with none. */
function comparableSlopes(buckets: readonly Bucket[]): readonly number[] {
  const slopes: number[] = [];
  for (const [index, later] of buckets.entries()) {
    if (later.load === null) continue;
    for (let before = 0; before < index; before += 1) {
      const earlier = buckets[before];
      if (earlier === undefined || earlier.load === null || later.load > earlier.load) continue;
      slopes.push((later.memoryMb - earlier.memoryMb) / (later.minute - earlier.minute));
    }
  }
  return slopes;
}

/** The lower of the middle two: between a step's two sides there is nothing. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}

/** Minutes pass seldom, reports are made every two seconds, and an hour has 1770 pairs of minutes. */
const growths = new WeakMap<readonly Bucket[], number>();

/** Median of the slopes between all pairs of minutes (Theil and Sen): one outlier does not move it. */
export function growthMbPerMinute({ buckets }: Leak): number {
  const known = growths.get(buckets);
  if (known !== undefined) return known;
  const growth = medianSlope(buckets);
  growths.set(buckets, growth);
  return growth;
}

function medianSlope(buckets: readonly Bucket[]): number {
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
