import { read64 } from './counter64.js';
import { SCALE_STEPS } from './durations.js';
import {
  BUCKET,
  BUCKET_WORDS,
  MINUTE_BUCKETS,
  type RequestsBlock,
  SLOT,
  slotBase,
  slotsUsed,
} from './layout.js';

/** Seconds that the minute covers: the running one and 59 whole ones. */
export const WINDOW_SECONDS = 60;

/** Sums over the sliding minute, of all slots. */
export interface MinuteSums {
  completed: number;
  failed: number;
  durationUs: number;
  /** Requests whose duration is known. */
  timed: number;
  tokens: number;
  /** Durations on the percentile scale. */
  readonly scale: Int32Array;
}

/** What the sums hold of one slot's buckets, to be taken out again when a bucket changes or leaves the minute. */
interface SlotCopy {
  /** The slot's version and the second when it was last looked at: nothing to do while both are the same. */
  seenVersion: number;
  seenSecond: number;
  readonly second: Int32Array;
  readonly version: Int32Array;
  readonly sums: Float64Array;
  readonly scale: Int32Array;
}

const COMPLETED = 0;
const FAILED = 1;
const DURATION = 2;
const TOKENS = 3;
const SUMS = 4;

function createCopy(): SlotCopy {
  return {
    seenVersion: 0,
    seenSecond: 0,
    second: new Int32Array(MINUTE_BUCKETS),
    version: new Int32Array(MINUTE_BUCKETS),
    sums: new Float64Array(MINUTE_BUCKETS * SUMS),
    scale: new Int32Array(MINUTE_BUCKETS * SCALE_STEPS),
  };
}

/**
 * Reader's side of the sliding minute. A read looks at two words of each bucket and reads those that changed, so it
 * costs about a second's worth of buckets, not a minute's.
 */
export function createMinuteReader(block: RequestsBlock): { read(second: number): MinuteSums } {
  const { words } = block;
  const copies: SlotCopy[] = [];
  const total: MinuteSums = {
    completed: 0,
    failed: 0,
    durationUs: 0,
    timed: 0,
    tokens: 0,
    scale: new Int32Array(SCALE_STEPS),
  };

  function apply(copy: SlotCopy, bucket: number, sign: 1 | -1): void {
    const sums = bucket * SUMS;
    total.completed += sign * (copy.sums[sums + COMPLETED] ?? 0);
    total.failed += sign * (copy.sums[sums + FAILED] ?? 0);
    total.durationUs += sign * (copy.sums[sums + DURATION] ?? 0);
    total.tokens += sign * (copy.sums[sums + TOKENS] ?? 0);
    const from = bucket * SCALE_STEPS;
    for (let step = 0; step < SCALE_STEPS; step += 1) {
      const count = copy.scale[from + step] ?? 0;
      if (count === 0) continue;
      total.scale[step] = (total.scale[step] ?? 0) + sign * count;
      total.timed += sign * count;
    }
  }

  function copyBucket(copy: SlotCopy, bucket: number, at: number): void {
    const sums = bucket * SUMS;
    copy.sums[sums + COMPLETED] = Atomics.load(words, at + BUCKET.completed) >>> 0;
    copy.sums[sums + FAILED] = Atomics.load(words, at + BUCKET.failed) >>> 0;
    copy.sums[sums + DURATION] = read64(words, at + BUCKET.durationSum);
    copy.sums[sums + TOKENS] = read64(words, at + BUCKET.tokens);
    const from = bucket * SCALE_STEPS;
    for (let step = 0; step < SCALE_STEPS; step += 1) {
      copy.scale[from + step] = Atomics.load(words, at + BUCKET.scale + step);
    }
  }

  function refresh(copy: SlotCopy, bucket: number, at: number, nowSecond: number): void {
    const counted = Atomics.load(words, at + BUCKET.second);
    // A writer's clock may be a moment ahead of the reader's, hence + 1.
    const isInWindow = counted > 0 && counted > nowSecond - WINDOW_SECONDS && counted <= nowSecond + 1;
    const second = isInWindow ? counted : 0;
    const version = isInWindow ? Atomics.load(words, at + BUCKET.version) : 0;
    const known = copy.second[bucket] ?? 0;
    if (second === known && (second === 0 || version === copy.version[bucket])) return;
    if (known !== 0) apply(copy, bucket, -1);
    copy.second[bucket] = 0;
    if (second === 0) return;
    copyBucket(copy, bucket, at);
    // Recycled while it was read: what was read is of two seconds. The next read takes the new one.
    if (Atomics.load(words, at + BUCKET.second) !== second) return;
    copy.second[bucket] = second;
    copy.version[bucket] = version;
    apply(copy, bucket, 1);
  }

  return {
    read(second) {
      const used = slotsUsed(block);
      for (let slot = 0; slot < used; slot += 1) {
        let copy = copies[slot];
        if (copy === undefined) {
          copy = createCopy();
          copies.push(copy);
        }
        const base = slotBase(slot);
        const version = Atomics.load(words, base + SLOT.version);
        if (copy.seenSecond === second && copy.seenVersion === version) continue;
        copy.seenSecond = second;
        copy.seenVersion = version;
        const first = base + SLOT.minute;
        for (let bucket = 0; bucket < MINUTE_BUCKETS; bucket += 1) {
          refresh(copy, bucket, first + bucket * BUCKET_WORDS, second);
        }
      }
      return total;
    },
  };
}
