/** A process that is stopped or hangs keeps its connections and ends none: it is killed, so that another one takes its place. */
import type { Logger } from '../../config/options.js';
import { ALIVE_MS } from './messages.js';

export interface Watched {
  readonly id: number;
  silentMs: number;
  kill(): void;
}

/** Far longer than any turn of a frontend's loop: its streams end with it. */
const HUNG_MS = 5000;

/** Returns what ends that. */
export function watchSilence(members: () => Iterable<Watched>, logger: Logger | undefined): () => void {
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    // What was said while this process itself stood still has not been read yet.
    const passedMs = Math.min(nowMs - lastMs, 2 * ALIVE_MS);
    lastMs = nowMs;
    for (const member of members()) {
      member.silentMs += passedMs;
      if (member.silentMs < HUNG_MS || member.silentMs - passedMs >= HUNG_MS) continue;
      logger?.error(
        { process: member.id, silent_ms: Math.round(member.silentMs) },
        'a process of the frontend does not turn any more and is killed',
      );
      member.kill();
    }
  }, ALIVE_MS).unref();
  return () => clearInterval(timer);
}
