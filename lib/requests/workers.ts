import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import type { RequestsBlock } from './layout.js';
import { releaseThread } from './slots.js';

/**
 * Frees the slots of workers started by the calling thread as soon as it sees them exit: at once, and also where there
 * is no /proc, but only while this thread's loop turns. `releaseDeadThreads` on the probe thread covers the rest.
 */
export function watchWorkers(block: RequestsBlock, clock: () => number): () => void {
  const onWorker = (message: unknown): void => {
    const { worker } = message as { worker: Worker };
    // Read now: it is −1 once the worker has exited.
    const id = worker.threadId;
    worker.once('exit', () => releaseThread(block, id, clock()));
  };
  subscribe('worker_threads', onWorker);
  return () => unsubscribe('worker_threads', onWorker);
}
