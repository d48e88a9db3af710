import { describe, expect, it } from 'vitest';
import type { Agent } from '../../lib/agent/client.js';
import type { NativeAddon } from '../../lib/native/addon.js';
import { LOOP } from '../../lib/native/layout.js';
import { createStallWatch } from '../../lib/probe/stall-watch.js';

/** What the loop monitor would say: the sum of the stalls includes the one that is going on. */
function watched() {
  const loop = { busyMs: 0, busySinceMs: Number.NaN, finishedMs: 0 };
  const captured: number[] = [];
  const ended: number[] = [];
  const source = {
    readLoop(_id: number, into: Float64Array) {
      into[LOOP.busyMs] = loop.busyMs;
      into[LOOP.busySinceMs] = loop.busySinceMs;
      into[LOOP.stallTotalMs] = loop.finishedMs + (loop.busyMs >= 100 ? loop.busyMs : 0);
      return true;
    },
  } as unknown as NativeAddon;
  const agent = {
    captureStall: async ({ busySinceMs }: { busySinceMs: number }) => {
      captured.push(busySinceMs);
      return null;
    },
  } as unknown as Agent;
  const look = createStallWatch({
    agent,
    source,
    loop: 1,
    heartbeat: null,
    mayInspect: true,
    afterMs: 1000,
    onStall: () => undefined,
    onEnd: (ms) => ended.push(ms),
    onError: (error) => {
      throw error;
    },
  });
  return {
    captured,
    ended,
    blocked(busyMs: number, busySinceMs: number) {
      loop.busyMs = busyMs;
      loop.busySinceMs = busySinceMs;
      look(busyMs);
    },
    turning(stallMs: number) {
      loop.finishedMs += stallMs;
      loop.busyMs = 0;
      look(0);
    },
  };
}

describe('the stall watch', () => {
  it('looks into a stall once and says at its end how long it was', () => {
    const { captured, ended, blocked, turning } = watched();
    turning(300);
    blocked(900, 10);
    blocked(1400, 10);
    blocked(1900, 10.4);
    expect(captured).toEqual([10]);
    expect(ended).toEqual([]);
    turning(2100);
    turning(0);
    expect(ended).toEqual([2100]);
  });

  it('tells two stalls apart between which it saw no turn', () => {
    const { captured, ended, blocked, turning } = watched();
    blocked(1200, 10);
    turning(0); // nothing has been added yet: not ended for the reader
    blocked(1500, 5000);
    expect(captured).toEqual([10, 5000]);
    turning(1700);
    expect(ended.at(-1)).toBe(1700);
  });
});
