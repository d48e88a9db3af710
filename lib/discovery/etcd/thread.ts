/**
 * Entry of the thread that keeps the registrations of a process in etcd. It is one of its own: the main thread may be
 * blocked for longer than a lease lasts, and the agent thread is ended when rendering metrics gets stuck.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openEtcd } from './client.js';
import { type LeaseRunner, runLease } from './lease-runner.js';
import type { ThreadData, ThreadReply, ThreadRequest } from './thread-protocol.js';

const { settings, progress } = workerData as ThreadData;
const counters = new Int32Array(progress);
const LOOK_MS = 1000;
const post = (reply: ThreadReply): void => parentPort?.postMessage(reply);

async function run(): Promise<void> {
  const etcd = await openEtcd(settings);
  const runners = new Map<number, LeaseRunner>();
  const seen = new Map<number, number>();

  setInterval(() => {
    for (const [id, runner] of runners) {
      const count = Atomics.load(counters, id);
      if (count !== seen.get(id)) runner.progress();
      seen.set(id, count);
    }
  }, LOOK_MS);

  parentPort?.on('message', (request: ThreadRequest) => {
    const { id } = request;
    switch (request.kind) {
      case 'register':
        runners.set(
          id,
          runLease(
            etcd,
            { ...request, ttlMs: settings.leaseTtlMs, hangMs: settings.hangMs },
            {
              onStatus: (status) => post({ kind: 'status', id, status }),
              log: (fields, message) => post({ kind: 'log', fields, message }),
            },
          ),
        );
        break;
      case 'records':
        runners.get(id)?.set(request.records);
        break;
      case 'stop': {
        const runner = runners.get(id);
        runners.delete(id);
        const done = (): void => post({ kind: 'stopped', id });
        if (runner === undefined) done();
        else runner.stop().then(done, done);
        break;
      }
    }
  });
}

void run();
