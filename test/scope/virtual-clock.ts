import type { ScopeClock } from '../../lib/requests/abort-scope.js';

/** Time that moves when it is told to; timers fire in the order of their time. */
export interface VirtualClock extends ScopeClock {
  advance(ms: number): void;
  timers(): number;
}

export function createVirtualClock(): VirtualClock {
  let nowMs = 1000;
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  return {
    now: () => nowMs,
    after(ms, callback) {
      const timer = { atMs: nowMs + ms, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.callback();
      }
      nowMs = untilMs;
    },
    timers: () => timers.size,
  };
}
