import { monoMs } from '../native/clock.js';

const TICK_MS = 50;
/** After a pause of its own a frontend first reads what has come meanwhile, before it takes anybody for silent. */
const PAUSE_MS = 300;

/** Calls `tick` 20 times a second, but not right after the process has stood still. Returns what ends it. */
export function startTicker(tick: (nowMs: number) => void): () => void {
  let lastTickMs = monoMs();
  const timer = setInterval(() => {
    const now = monoMs();
    const pausedMs = now - lastTickMs - TICK_MS;
    lastTickMs = now;
    if (pausedMs <= PAUSE_MS) tick(now);
  }, TICK_MS).unref();
  return () => clearInterval(timer);
}
