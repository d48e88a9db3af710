/** Spreads seeds over worker threads. Each scenario runs in one thread from its beginning to its end. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addBatch, type Batch, emptyBatch, runSeeds } from './batch.js';
import type { Profile } from './scenario.js';
import type { MachineSet } from './sets.js';
import { machineSet } from './sets.js';

interface Task {
  readonly from: number;
  readonly until: number;
  readonly profile: Profile;
  readonly set: MachineSet;
}

/** A scenario leaves nothing behind: with a nursery that holds several, little is alive when it is collected. */
const NURSERY = { maxYoungGenerationSizeMb: 192 };

/** Seeds that a thread takes at a time. */
const CHUNK = 50;

/**
 * @param isEnough asked after each chunk; true ends the run early
 * @param set machines by name, since functions cannot be sent to a thread
 */
export async function runThreads(
  {
    from,
    until,
    profile = {},
    set = 'ours',
    threads = 2,
    chunk = CHUNK,
  }: Partial<Task> & { from: number; until: number; threads?: number; chunk?: number },
  isEnough: (sum: Batch) => boolean = () => false,
): Promise<Batch> {
  const sum = emptyBatch();
  let next = from;
  const entry = new URL(import.meta.url);
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(entry, { workerData: 'sim', resourceLimits: NURSERY });
      try {
        while (next < until && !isEnough(sum)) {
          const task: Task = { from: next, until: Math.min(next + chunk, until), profile, set };
          next = task.until;
          addBatch(sum, await ask(worker, task));
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
  sum.failed.sort((a, b) => a.seed - b.seed);
  return sum;
}

function ask(worker: Worker, task: Task): Promise<Batch> {
  return new Promise((resolve, reject) => {
    worker.once('message', (batch: Batch) => {
      worker.off('error', reject);
      resolve(batch);
    });
    worker.once('error', reject);
    worker.postMessage(task);
  });
}

if (!isMainThread && workerData === 'sim')
  parentPort?.on('message', ({ from, until, profile, set }: Task) => {
    parentPort?.postMessage(runSeeds({ from, until, step: 1 }, profile, machineSet(set)));
  });
