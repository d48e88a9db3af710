import { add64, addLarge64 } from './counter64.js';
import { scaleIndex } from './durations.js';
import { BUCKET, BUCKET_WORDS, MINUTE_BUCKETS, SLOT } from './layout.js';

/** Writer's side of the sliding minute: one bucket per second, recycled after {@link MINUTE_BUCKETS} seconds. */

/** Adds `n` to a word with one writer; it wraps at 2^32. */
export function bump(words: Int32Array, at: number, n: number): void {
  Atomics.store(words, at, (Atomics.load(words, at) + n) | 0);
}

/** Word offset of the bucket for `second`, emptied first if it still counts an older one. */
function bucketAt(words: Int32Array, base: number, second: number): number {
  const at = base + SLOT.minute + (second & (MINUTE_BUCKETS - 1)) * BUCKET_WORDS;
  if (Atomics.load(words, at + BUCKET.second) === second) return at;
  // Every store is atomic, so that no reader sees a zero before it sees that the second is gone.
  Atomics.store(words, at + BUCKET.second, 0);
  for (let word = at + BUCKET.completed; word < at + BUCKET_WORDS; word += 1) {
    if (Atomics.load(words, word) !== 0) Atomics.store(words, word, 0);
  }
  Atomics.store(words, at + BUCKET.second, second);
  return at;
}

/** Counts a request that ended. */
export function countEnded(
  words: Int32Array,
  base: number,
  second: number,
  failed: boolean,
  ms: number,
  us: number,
): void {
  const at = bucketAt(words, base, second);
  bump(words, at + (failed ? BUCKET.failed : BUCKET.completed), 1);
  addLarge64(words, at + BUCKET.durationSum, us);
  bump(words, at + BUCKET.scale + scaleIndex(ms), 1);
  bump(words, at + BUCKET.version, 1);
}

/** Counts `n` requests that failed after an unknown time. */
export function countLost(words: Int32Array, base: number, second: number, n: number): void {
  const at = bucketAt(words, base, second);
  bump(words, at + BUCKET.failed, n);
  bump(words, at + BUCKET.version, 1);
}

export function countTokens(words: Int32Array, base: number, second: number, n: number): void {
  const at = bucketAt(words, base, second);
  add64(words, at + BUCKET.tokens, n);
  bump(words, at + BUCKET.version, 1);
}
