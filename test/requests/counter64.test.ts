import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add64, addLarge64, MAX_ADD, read64 } from '../../lib/requests/counter64.js';

/** The words of a counter that has reached `value`. */
function wordsAt(value: number): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const carries = Math.floor(value / 2 ** 31);
  words[1] = carries | 0;
  words[0] = (carries << 31) | (value % 2 ** 31);
  return words;
}

describe('a 64-bit counter', () => {
  test.each([2 ** 31, 2 ** 32, 2 ** 33, 2 ** 40 + 2 ** 31, 2 ** 52])('counts on across %d', (boundary) => {
    const words = wordsAt(boundary - 3);
    for (let n = -3; n < 3; n += 1) {
      expect(read64(words, 0)).toBe(boundary + n);
      add64(words, 0, 1);
    }
  });

  test('is the sum of what was added, whatever the steps', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 52 }),
        fc.array(
          fc.oneof(fc.integer({ min: 0, max: MAX_ADD }), fc.integer({ min: MAX_ADD - 5, max: MAX_ADD })),
          { maxLength: 50 },
        ),
        (start, steps) => {
          const words = wordsAt(start);
          let expected = start;
          for (const step of steps) {
            add64(words, 0, step);
            expected += step;
            expect(read64(words, 0)).toBe(expected);
          }
        },
      ),
    );
  });

  test('takes steps above 2^31 in parts', () => {
    const words = wordsAt(7);
    addLarge64(words, 0, 10 * 2 ** 32 + 5);
    expect(read64(words, 0)).toBe(10 * 2 ** 32 + 12);
  });

  test('reads the value before a carry while the writer is stuck in the middle of it', () => {
    for (const boundary of [2 ** 31, 2 ** 32, 2 ** 33]) {
      const words = wordsAt(boundary - 1);
      // The first of the two stores of a carry: what a reader finds when the writer was preempted or ended right there.
      Atomics.add(words, 1, 1);
      expect(read64(words, 0)).toBe(boundary - 1);
    }
  });

  test('never goes back or jumps for a reader while another thread crosses 2^32', async () => {
    const buffer = new SharedArrayBuffer(16);
    const words = new Int32Array(buffer);
    const rounds = 20_000;
    const worker = new Worker(join(import.meta.dirname, 'fixtures/carry-writer.cjs'), {
      workerData: { buffer, rounds },
    });
    try {
      const ended = once(worker, 'exit');
      await once(worker, 'message');
      let last = 0;
      let reads = 0;
      let duringCarry = 0;
      const deadline = Date.now() + 5_000;
      while (Date.now() < deadline && Atomics.load(words, 3) < rounds) {
        for (let i = 0; i < 10_000; i += 1) {
          const before = Atomics.load(words, 3);
          const value = read64(words, 0);
          const after = Atomics.load(words, 3);
          reads += 1;
          if (value < last) throw new Error(`went back from ${last} to ${value}`);
          last = value;
          // Round n ends 999 above carry n, so a value read within one round lies between those two marks.
          const low = before * 2 ** 31 + (before === 0 ? 0 : 999);
          const high = (after + 1) * 2 ** 31 + 999;
          if (value < low || value > high) throw new Error(`${value} is outside ${low} … ${high}`);
          if (value % 2 ** 31 < 1000 || value % 2 ** 31 >= 2 ** 31 - 1000) duringCarry += 1;
        }
      }
      Atomics.store(words, 2, 1);
      await ended;
      expect(reads).toBeGreaterThan(10_000);
      expect(duringCarry).toBeGreaterThan(0);
      expect(read64(words, 0)).toBe(Atomics.load(words, 3) * 2 ** 31 + 999);
      expect(Atomics.load(words, 3)).toBeGreaterThan(2);
    } finally {
      await worker.terminate();
    }
  });
});
