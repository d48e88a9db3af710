/**
 * Counters beyond 2^32 in shared memory: two Int32 words, one writer, any number of readers, no locks.
 *
 * Word 0 holds the low 31 bits and, in its top bit, the parity of the carries so far; word 1 holds the number of
 * carries. On a carry the writer stores word 1 first. A reader that finds the parities different therefore knows that
 * the low word is still the one before the carry, and the value is exact: it need not wait for the writer, which may
 * have been preempted or terminated between its two stores. Int32 and 31 bits because V8 keeps such numbers unboxed.
 */
export const COUNTER64_WORDS = 2;

/** The most that one {@link add64} may add: never more than one carry at a time. */
export const MAX_ADD = 0x7fff_ffff;

const LOW_BITS = 0x7fff_ffff;
const CARRY = 2 ** 31;

/** Adds `n` (integer, 0 … {@link MAX_ADD}). Only the counter's one writer may call it. */
export function add64(words: Int32Array, at: number, n: number): void {
  const low = Atomics.load(words, at);
  const sum = (low & LOW_BITS) + n;
  if (sum < CARRY) {
    Atomics.store(words, at, (low & ~LOW_BITS) | sum);
    return;
  }
  const carries = (Atomics.load(words, at + 1) + 1) | 0;
  Atomics.store(words, at + 1, carries);
  Atomics.store(words, at, (carries << 31) | (sum - CARRY));
}

/** {@link add64} for integers that may be larger, such as microseconds of one request of hours. */
export function addLarge64(words: Int32Array, at: number, n: number): void {
  let rest = n;
  for (; rest > MAX_ADD; rest -= MAX_ADD) add64(words, at, MAX_ADD);
  add64(words, at, rest);
}

/** The value at one moment during the call; exact up to 2^53. Loops only while the writer completes whole carries. */
export function read64(words: Int32Array, at: number): number {
  let carries = Atomics.load(words, at + 1);
  for (;;) {
    const low = Atomics.load(words, at);
    const again = Atomics.load(words, at + 1);
    if (again === carries) {
      const pending = (carries ^ (low >>> 31)) & 1;
      return (carries - pending) * CARRY + (low & LOW_BITS);
    }
    carries = again;
  }
}
