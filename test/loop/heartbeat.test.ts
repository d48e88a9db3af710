import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  HEARTBEAT_INTERVAL_MS,
  type Heartbeat,
  heartbeatBusyMs,
  readHeartbeat,
  startHeartbeat,
} from '../../lib/native/heartbeat.js';
import { LOOP, LOOP_FIELDS } from '../../lib/native/layout.js';

let nowMs = 0;
let heartbeat: Heartbeat;
let slots: Int32Array;

/** The clock goes on by `ms` and timers fire, as on a loop that turns. */
function turn(ms: number): void {
  for (let passed = 0; passed < ms; passed += HEARTBEAT_INTERVAL_MS) {
    nowMs += HEARTBEAT_INTERVAL_MS;
    vi.advanceTimersByTime(HEARTBEAT_INTERVAL_MS);
  }
}

/** The clock goes on and no timer fires. */
function block(ms: number): void {
  nowMs += ms;
}

function read() {
  const into = new Float64Array(LOOP_FIELDS.length).fill(-1);
  const isMonitored = readHeartbeat(slots, nowMs, into);
  const fields = Object.fromEntries(LOOP_FIELDS.map((name) => [name, into[LOOP[name]]]));
  return { isMonitored, ...(fields as Record<(typeof LOOP_FIELDS)[number], number>) };
}

function start(atMs: number): void {
  nowMs = atMs;
  heartbeat = startHeartbeat(() => nowMs);
  slots = new Int32Array(heartbeat.buffer);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  start(1000.5);
});
afterEach(() => {
  heartbeat.stop();
  vi.useRealTimers();
});

describe('a loop without the addon', () => {
  test('reads 0 while it turns, also when its timers are some milliseconds late', () => {
    turn(500);
    block(HEARTBEAT_INTERVAL_MS + 9);
    expect(read()).toMatchObject({
      isMonitored: true,
      busyMs: 0,
      busySinceMs: Number.NaN,
      stallCount: 0,
      alive: 1,
    });
  });

  test('is busy from when the next beat was due', () => {
    turn(500);
    block(700);
    expect(heartbeatBusyMs(slots, nowMs)).toBe(600);
    expect(read()).toMatchObject({ busyMs: 600, stallCount: 1, longestStallMs: 600, stallTotalMs: 600 });
  });

  test('is busy before it first turned', () => {
    block(350);
    expect(read().busyMs).toBe(250);
  });

  test('has one start for one stall, and another for the next', () => {
    block(300.25);
    const { busySinceMs } = read();
    block(123.75);
    expect(read().busySinceMs).toBe(busySinceMs);
    turn(1000);
    block(400);
    expect(read().busySinceMs).not.toBe(busySinceMs);
  });

  test('keeps the stalls that have ended', () => {
    for (const ms of [250, 400, 110]) {
      block(ms);
      turn(300);
    }
    // Each block delays the next beat by itself: 110 ms are a stall, too.
    expect(read()).toMatchObject({ busyMs: 0, stallCount: 3, longestStallMs: 400, stallTotalMs: 760 });
  });

  test('counts across the wrap of its 32 bit clock', () => {
    heartbeat.stop();
    start(2 ** 31 - 150);
    turn(100);
    block(1100);
    expect(read()).toMatchObject({ busyMs: 1000, busySinceMs: 2 ** 31 + 50 });
    heartbeat.stop();
    start(2 ** 32 - 50);
    block(600);
    expect(read()).toMatchObject({ busyMs: 500, busySinceMs: 2 ** 32 + 50 });
  });

  test('has a utilization from the tenth beat on', () => {
    turn(500);
    expect(read().utilization).toBeNaN();
    turn(1000);
    expect(read().utilization).toBeGreaterThanOrEqual(0);
    expect(read().utilization).toBeLessThanOrEqual(1);
  });

  test('is not monitored after the stop', () => {
    turn(200);
    heartbeat.stop();
    heartbeat.stop();
    expect(read().isMonitored).toBe(false);
  });
});
