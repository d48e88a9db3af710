import { createRequire } from 'node:module';
import { afterEach, describe, expect, test } from 'vitest';
import type { NativeAddon } from '../../lib/native/addon.js';
import { LOOP, LOOP_FIELDS } from '../../lib/native/layout.js';
import { runChild } from './child.js';

const require = createRequire(import.meta.url);
const { loadNative } = require('../../dist/cjs/native/loader.js') as {
  loadNative(): { native: NativeAddon | null };
};
const addon = loadNative().native as NativeAddon;

interface Sample {
  readonly atMs: number;
  readonly polledBusyMs: number;
  readonly monitored: number;
  readonly busyMs: number;
  readonly busySinceMs: number;
  readonly stallCount: number;
  readonly longestStallMs: number;
  readonly stallTotalMs: number;
  readonly iterations: number;
  readonly tid: number;
}

interface Blocked {
  readonly startMs: number;
  readonly endMs: number;
  readonly pid: number;
  readonly samples: readonly Sample[];
}

async function sampleWhileBlockedIn(place: string): Promise<Blocked> {
  const { code, lines, stderr } = await runChild('block', [place]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return lines[0] as Blocked;
}

describe.concurrent('another thread sees', () => {
  test.each([
    'before the first turn',
    'a timer',
    'an immediate',
    'an fs callback',
    'a microtask loop',
    'an HTTP handler',
  ])('a block in %s', async (place) => {
    const { startMs, endMs, pid, samples } = await sampleWhileBlockedIn(place);
    const during = samples.filter(({ atMs }) => atMs > startMs + 5 && atMs < endMs);
    expect(during.length).toBeGreaterThan(10);
    for (const { atMs, polledBusyMs, monitored } of during) {
      expect(monitored).toBe(1);
      // At least since the block began; a little more where the same turn did something before it.
      expect(polledBusyMs).toBeGreaterThanOrEqual(atMs - startMs - 1);
      expect(polledBusyMs).toBeLessThan(atMs - startMs + 2000);
    }
    const stalled = during.filter(({ busyMs }) => busyMs >= 100);
    expect(new Set(stalled.map(({ busySinceMs }) => busySinceMs)).size).toBe(1);
    // It counts from the moment it becomes one, and once.
    const counts = samples.map(({ stallCount }) => stallCount);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    const before = samples.findLast(({ atMs, busyMs }) => atMs < startMs && busyMs < 100);
    expect(new Set(stalled.map(({ stallCount }) => stallCount))).toEqual(
      new Set([(before?.stallCount ?? 0) + 1]),
    );
    const last = samples.at(-1)!;
    expect(last.longestStallMs).toBeGreaterThanOrEqual(endMs - startMs - 1);
    expect(last.longestStallMs).toBeLessThan(endMs - startMs + 2000);
    expect(last.stallTotalMs).toBeGreaterThanOrEqual(last.longestStallMs);
    expect(last.tid).toBe(pid);
  });

  test('an idle loop as exactly 0', async () => {
    const { samples } = await sampleWhileBlockedIn('nowhere');
    const idle = samples.filter(({ busyMs }) => busyMs === 0);
    expect(idle.length).toBeGreaterThan(samples.length / 2);
    expect(idle.every(({ busySinceMs }) => busySinceMs === null)).toBe(true);
    expect(Math.min(...samples.map(({ polledBusyMs }) => polledBusyMs))).toBe(0);
  });

  test('the utilization of about the last second, not since the start', async () => {
    const { code, lines } = await runChild('utilization');
    expect(code).toBe(0);
    const readings = lines[0] as { phase: string; utilization: number | null }[];
    expect(readings[0]!.utilization).toBeNull();
    const values = (phase: string) =>
      readings
        .filter((reading) => reading.phase === phase)
        .map(({ utilization }) => utilization ?? Number.NaN);
    expect(values('busy').at(-1)).toBeGreaterThan(0.7);
    expect(values('idle').at(-1)).toBeLessThan(0.3);
    for (const value of [...values('busy'), ...values('idle')]) {
      if (!Number.isNaN(value)) expect(value).toBeGreaterThanOrEqual(0);
      if (!Number.isNaN(value)) expect(value).toBeLessThanOrEqual(1);
    }
  });
});

describe('threads that end while others read their loop at full speed', () => {
  test('naturally, by process.exit, by terminate() and by a throw', async () => {
    const { code, signal, stderr, lines } = await runChild('ending-workers');
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const { monitored, impossible, stillMonitored } = lines[0] as Record<string, number>;
    // More than there are slots, so that slots were used again.
    expect(monitored).toBeGreaterThan(64);
    expect(impossible).toBe(0);
    expect(stillMonitored).toBe(0);
  });

  test('a process keeps its exit code when it ends while workers read', async () => {
    const ways = ['process.exit', 'throw', 'end'] as const;
    const ended = await Promise.all(ways.map((way) => runChild('ending-process', [way])));
    expect(ended.map(({ code, signal }) => ({ code, signal }))).toEqual([
      { code: 7, signal: null },
      { code: 1, signal: null },
      { code: 0, signal: null },
    ]);
  });
});

describe('a monitor', () => {
  const slots = new Float64Array(LOOP_FIELDS.length);
  const ids: number[] = [];
  afterEach(async () => {
    for (const id of ids.splice(0)) addon.unmonitorLoop(id);
    await new Promise((resolve) => setImmediate(resolve));
  });
  const monitor = () => {
    const id = addon.monitorLoop();
    if (id >= 0) ids.push(id);
    return id;
  };

  test('ends when told, and its id never means another one', async () => {
    const first = monitor();
    expect(addon.readLoop(first, slots)).toBe(true);
    expect(slots[LOOP.tid]).toBe(addon.threadId());
    expect(slots[LOOP.alive]).toBe(1);
    addon.unmonitorLoop(first);
    expect(addon.readLoop(first, slots)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 10));
    const second = monitor();
    expect(second).not.toBe(first);
    expect(addon.readLoop(first, slots)).toBe(false);
    expect(addon.readLoop(second, slots)).toBe(true);
  });

  test('is refused with −1 when all slots are taken', () => {
    let id = monitor();
    while (id >= 0) id = monitor();
    expect(ids.length).toBeLessThanOrEqual(64);
    expect(ids.length).toBeGreaterThan(32);
  });

  test('does not keep its process alive', async () => {
    const { code, lines } = await runChild('idle-monitor');
    expect(code).toBe(0);
    expect(lines).toEqual(['done']);
  });

  test('that does not exist reads as not monitored', () => {
    const polled = new Float64Array(5);
    for (const id of [-1, 5, 1e9, Number.NaN]) {
      addon.poll(id, polled);
      expect([...polled.subarray(2, 4)]).toEqual([0, 0]);
      expect(addon.readLoop(id, slots)).toBe(false);
      expect(() => addon.unmonitorLoop(id)).not.toThrow();
    }
    expect(() => addon.readLoop(0, new Float64Array(3))).toThrow(TypeError);
  });
});
