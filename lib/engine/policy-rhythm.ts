/**
 * How long this engine usually takes from one token to the next: a histogram of the gaps on a logarithmic scale, in shared
 * memory, written by the thread that sees the tokens and read by the thread that judges. Pure apart from the array.
 */
export const RHYTHM_BUCKETS = 40;

/** Bucket `b` holds gaps up to 2^(b/2) ms: half a power of two each, from 1 ms to 12 minutes. */
function bucketOf(gapMs: number): number {
  if (!(gapMs > 1)) return 0;
  return Math.min(RHYTHM_BUCKETS - 1, Math.ceil(2 * Math.log2(gapMs)));
}

const upperMs = (bucket: number): number => 2 ** (bucket / 2);

/** At this many gaps all counts are halved: what was true a few thousand tokens ago fades. */
const FADE_AT = 4096;

/** Counts one gap. `buckets` has {@link RHYTHM_BUCKETS} slots and one writer. */
export function recordGap(buckets: Int32Array, gapMs: number): void {
  const bucket = bucketOf(gapMs);
  buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  let total = 0;
  for (const count of buckets) total += count;
  if (total < FADE_AT) return;
  for (let index = 0; index < buckets.length; index += 1) buckets[index] = (buckets[index] ?? 0) >> 1;
}

export interface Rhythm {
  /** Gaps that are remembered. */
  readonly samples: number;
  /** 99 of 100 gaps were not longer than this, in milliseconds (rounded up by at most 41 %); 0 without samples. */
  readonly p99Ms: number;
  /** The longest gap that is remembered, rounded up likewise. */
  readonly longestMs: number;
}

export function readRhythm(buckets: Int32Array): Rhythm {
  let samples = 0;
  let longest = -1;
  for (let index = 0; index < buckets.length; index += 1) {
    const count = buckets[index] ?? 0;
    samples += count;
    if (count > 0) longest = index;
  }
  if (longest < 0) return { samples: 0, p99Ms: 0, longestMs: 0 };
  let below = 0;
  let bucket = 0;
  for (; bucket < longest; bucket += 1) {
    below += buckets[bucket] ?? 0;
    if (below >= 0.99 * samples) break;
  }
  return { samples, p99Ms: upperMs(bucket), longestMs: upperMs(longest) };
}
