import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InferenceHealthError } from '../../lib/errors.js';
import {
  BUCKET,
  BUCKET_WORDS,
  createRequestsBlock,
  MINUTE_BUCKETS,
  SLOT,
  slotBase,
} from '../../lib/requests/layout.js';
import { createRequestsReader } from '../../lib/requests/reader.js';
import { claimSlot, releaseSlot } from '../../lib/requests/slots.js';
import { createTracker } from '../../lib/requests/tracker.js';

/** A block with one writer and a clock that stands still until it is moved. */
function setUp(startMs = 5_000_000.25) {
  const time = { ms: startMs };
  const clock = (): number => time.ms;
  const block = createRequestsBlock(startMs);
  const claim = claimSlot(block)!;
  const { slot } = claim;
  const tracker = createTracker(block, claim, clock);
  const reader = createRequestsReader(block);
  const request = (durationMs: number, failed = false, tokens = 0): void => {
    const handle = tracker.begin();
    time.ms += durationMs;
    handle.tokens(tokens);
    if (failed) handle.fail();
    else handle.end();
  };
  return { time, block, slot, tracker, reader, request, read: () => reader.read(time.ms) };
}

describe('counting requests', () => {
  test('says zero everywhere before the first request', () => {
    const { read } = setUp();
    expect(read()).toMatchObject({
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
      validUntilMs: Infinity,
    });
  });

  test('shows a request from begin to end, live', () => {
    const { time, tracker, read } = setUp();
    const first = tracker.begin();
    const second = tracker.begin();
    expect(read()).toMatchObject({ active: 2, total: 2, completed: 0, failed: 0 });
    time.ms += 100;
    first.end();
    expect(read()).toMatchObject({
      active: 1,
      total: 2,
      completed: 1,
      failed: 0,
      errorRatePercent: 0,
      avgMs: 100,
    });
    time.ms += 100;
    second.fail(new Error('no'));
    expect(read()).toMatchObject({
      active: 0,
      total: 2,
      completed: 1,
      failed: 1,
      errorRatePercent: 50,
      avgMs: 150,
    });
  });

  test('lets the first of end, fail and dispose decide and ignores the rest', () => {
    const { tracker, read } = setUp();
    const ended = tracker.begin();
    ended.end();
    ended.fail();
    ended.end();
    ended[Symbol.dispose]();
    ended.tokens(5);
    const failed = tracker.begin();
    failed.fail();
    failed.end();
    const disposed = tracker.begin();
    disposed[Symbol.dispose]();
    disposed.fail();
    expect(read()).toMatchObject({ active: 0, total: 3, completed: 2, failed: 1, tokensTotal: 0 });
  });

  test('takes a discarded request back as if it had never been', () => {
    const { tracker, read } = setUp();
    const probe = tracker.begin();
    probe.discard();
    probe.end();
    expect(read()).toMatchObject({ active: 0, total: 0, completed: 0, failed: 0, errorRatePercent: 0 });
  });

  test.each([Number.NaN, -1, 1.5, Infinity, 2 ** 31, '3', undefined])(
    'refuses tokens(%s) and names it',
    (n) => {
      const { tracker } = setUp();
      const handle = tracker.begin();
      const act = (): void => handle.tokens(n as number);
      expect(act).toThrow(InferenceHealthError);
      expect(act).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
      expect(act).toThrow(/tokens\(n\): expected an integer from 0 to 2147483647, received /);
    },
  );

  test('counts on across 2^32 requests, tokens and microseconds', () => {
    const { block, slot, request, read } = setUp();
    const base = slotBase(slot);
    for (const counter of [SLOT.started, SLOT.completed, SLOT.tokens, SLOT.durationSum]) {
      // 2^32 − 1: one carry, and the low 31 bits full.
      block.words[base + counter + 1] = 1;
      block.words[base + counter] = -1;
    }
    request(250, false, 40);
    const summary = read();
    expect(summary).toMatchObject({
      active: 0,
      total: 2 ** 32,
      completed: 2 ** 32,
      tokensTotal: 2 ** 32 + 39,
    });
    expect(summary.histogram.sumMs).toBeCloseTo((2 ** 32 - 1) / 1000 + 250, 6);
  });

  test('changes its version with everything that is counted and with nothing else', () => {
    const { tracker, reader, time } = setUp();
    const seen = [reader.version()];
    const see = (): void => void seen.push(reader.version());
    const first = tracker.begin();
    see();
    first.tokens(1);
    see();
    first.end();
    see();
    const second = tracker.begin();
    see();
    second.fail();
    see();
    const third = tracker.begin();
    see();
    third.discard();
    see();
    expect(new Set(seen).size).toBe(seen.length);
    first.end();
    time.ms += 5_000;
    reader.read(time.ms);
    expect(reader.version()).toBe(seen.at(-1));
  });

  test('fills the same object again', () => {
    const { read, request } = setUp();
    const first = read();
    request(1);
    expect(read()).toBe(first);
    expect(first.total).toBe(1);
  });

  test('keeps a cumulative histogram since start, as Prometheus wants it', () => {
    const { read, request, time } = setUp();
    for (const ms of [5, 5.5, 300, 700_000]) request(ms);
    time.ms += 3_600_000;
    const { histogram } = read();
    expect([...histogram.cumulative]).toEqual([1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
    expect(histogram.sumMs).toBeCloseTo(5 + 5.5 + 300 + 700_000, 2);
  });
});

describe('the sliding minute', () => {
  test('forgets after 60 seconds, totals stay', () => {
    const { read, request, time } = setUp();
    request(100, true, 10);
    expect(read()).toMatchObject({ errorRatePercent: 100, avgMs: 100 });
    time.ms += 59_000;
    expect(read()).toMatchObject({ errorRatePercent: 100, failed: 1 });
    time.ms += 2_000;
    expect(read()).toMatchObject({
      errorRatePercent: 0,
      avgMs: 0,
      p99Ms: 0,
      tokensPerSecond: 0,
      failed: 1,
      tokensTotal: 10,
    });
  });

  test('says until when it holds', () => {
    const { read, request, time } = setUp(1_000);
    time.ms = 3_200;
    expect(read().validUntilMs).toBe(Infinity);
    request(100);
    expect(read().validUntilMs).toBe(4_000);
    time.ms = 4_000;
    expect(read().validUntilMs).toBe(5_000);
  });

  test('divides tokens by the time since start while younger than a minute, by at least one second', () => {
    const { read, tracker, time } = setUp();
    const handle = tracker.begin();
    handle.tokens(50);
    expect(read().tokensPerSecond).toBe(50);
    time.ms += 5_000;
    handle.tokens(50);
    expect(read().tokensPerSecond).toBe(20);
  });

  test('gives a steady rate once it is older, counted when generated and not at the end', () => {
    const { read, tracker, time } = setUp();
    const handle = tracker.begin();
    for (let second = 0; second < 150; second += 1) {
      for (let part = 0; part < 4; part += 1) {
        handle.tokens(25);
        time.ms += 250;
        if (second > 0) expect(read().tokensPerSecond).toBeCloseTo(100, -1);
      }
    }
    expect(read()).toMatchObject({ active: 1, completed: 0, tokensTotal: 15_000 });
    time.ms += 30_000;
    expect(read().tokensPerSecond).toBeCloseTo(50, -1);
  });

  test('agrees with a plain list of what happened, whatever happened when', () => {
    const step = fc.record({
      gapMs: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 90_000 })),
      ms: fc.integer({ min: 1, max: 20_000 }),
      failed: fc.boolean(),
      tokens: fc.integer({ min: 0, max: 1_000 }),
      read: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { read, request, time } = setUp(1_000);
        const done: { second: number; ms: number; failed: boolean; tokens: number }[] = [];
        const secondNow = (): number => Math.floor((time.ms - 1_000) / 1000);
        for (const { gapMs, ms, failed, tokens, read: isRead } of steps) {
          time.ms += gapMs;
          request(ms, failed, tokens);
          done.push({ second: secondNow(), ms, failed, tokens });
          if (!isRead) continue;
          const recent = done.filter((one) => one.second > secondNow() - 60);
          const summary = read();
          expect(summary.errorRatePercent).toBeCloseTo(
            (100 * recent.filter((one) => one.failed).length) / recent.length,
            9,
          );
          expect(summary.avgMs).toBeCloseTo(recent.reduce((sum, one) => sum + one.ms, 0) / recent.length, 6);
          const coveredMs = Math.max(1_000, time.ms - 1_000 - Math.max(0, secondNow() - 59) * 1_000);
          expect(summary.tokensPerSecond).toBeCloseTo(
            recent.reduce((sum, one) => sum + one.tokens, 0) / (coveredMs / 1_000),
            6,
          );
          const p50 = recent.map((one) => one.ms).sort((a, b) => a - b)[Math.ceil(recent.length / 2) - 1]!;
          expect(Math.abs(summary.p50Ms / p50 - 1)).toBeLessThan(0.07);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('leaves out a second that is being recycled, and finds its successor', () => {
    const { block, slot, read, request, time } = setUp(1_000);
    request(10, true);
    expect(read().errorRatePercent).toBe(100);
    const at = slotBase(slot) + SLOT.minute + 1 * BUCKET_WORDS;
    expect(block.words[at + BUCKET.second]).toBe(1);
    block.words[at + BUCKET.second] = 0;
    block.words[slotBase(slot) + SLOT.version]! += 1;
    expect(read().errorRatePercent).toBe(0);
    block.words[at + BUCKET.second] = 1;
    block.words[slotBase(slot) + SLOT.version]! += 1;
    expect(read().errorRatePercent).toBe(100);
    time.ms += MINUTE_BUCKETS * 1_000;
    request(10, false);
    expect(read()).toMatchObject({ errorRatePercent: 0, avgMs: 10, total: 2 });
  });

  test('sums the slots of all threads and follows a slot to its next owner', () => {
    const { block, slot, read, request, time } = setUp();
    request(10, false, 5);
    const other = claimSlot(block)!;
    expect(other.slot).not.toBe(slot);
    const second = createTracker(block, other, () => time.ms);
    second.begin().fail();
    const lost = second.begin();
    second.begin();
    expect(read()).toMatchObject({ active: 2, total: 4, completed: 1, failed: 1, errorRatePercent: 50 });
    releaseSlot(block, other, time.ms);
    expect(read()).toMatchObject({ active: 0, total: 4, completed: 1, failed: 3, errorRatePercent: 75 });
    // Late calls of the former owner must not touch what is counted there now, also when it is the same thread.
    const next = claimSlot(block)!;
    expect(next.slot).toBe(other.slot);
    lost.end();
    second.begin().end();
    expect(read()).toMatchObject({ active: 0, total: 4, failed: 3 });
    createTracker(block, next, () => time.ms)
      .begin()
      .end();
    expect(read()).toMatchObject({ active: 0, total: 5, completed: 2, failed: 3 });
  });
});
