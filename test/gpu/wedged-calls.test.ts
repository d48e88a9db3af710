import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';
import { type FakeGpu, type FakeGpuOptions, withFakeGpu } from './fake/fake-gpu.js';
import type { Isolation } from './wedged-server.js';

/** How a process ends, as source; each must end it with the code behind it although a call never returns. */
const ENDS = [
  ['process.exit', 'process.exit(3);', 3],
  ['its natural end', 'process.exitCode = 4;', 4],
  ['SIGTERM', "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);", 'SIGTERM'],
  ['the end of the worker that started it', "await worker.terminate(); say('worker ended');", 0],
] as const;

/** Long past every bound in the code (1 s for a stop, twice), short of a hang. */
const ENDS_WITHIN_MS = 20_000;
const AT_ONCE = 6;

/** Called only when everything is given back. */
const GIVING_BACK = ['nvmlShutdown', 'nvmlEventSetFree', 'nvmlSystemEventSetFree'];

/** The addon alone, in a worker: without its probe thread a process takes a tenth of the time. */
const source = (fake: FakeGpu, isolation: Isolation, call: string, end: string): string => `
  const { Worker } = require('node:worker_threads');
  const options = ${JSON.stringify({ library: fake.library, kmsg: '', deadlineMs: 300, initDeadlineMs: 300, isolation })};
  const { gpu, now } = require('./dist/cjs/native/loader.js').loadNative().native;
  const { GPU, GPU_FIELDS, GPU_STATES } = require('./dist/cjs/native/gpu-layout.js');
  const worker = new Worker(
    "const { workerData } = require('node:worker_threads');" +
    "require('./dist/cjs/native/loader.js').loadNative().native.gpu.startGpu(workerData); setInterval(() => {}, 1000);",
    { eval: true, workerData: options });
  worker.unref();
  const slots = new Float64Array(GPU_FIELDS.length);
  const stuckIn = () => gpu.layout().calls[slots[GPU.stuckCall]];
  const stateIs = async (wanted, call) => {
    for (;;) {
      gpu.readGpu('gpu', slots);
      if (GPU_STATES[slots[GPU.state]] === wanted && (call === undefined || stuckIn() === call)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  if (${GIVING_BACK.includes(call)}) { await stateIs('ok'); gpu.releaseGpu(); }
  // On a busy machine another call may be late, too, until it gets its processor.
  await stateIs('unresponsive', ${JSON.stringify(call)});
  say({ call: stuckIn(), afterMs: now() - slots[GPU.stuckSinceMs] });
  ${end}
`;

async function everyCall(options: FakeGpuOptions): Promise<string[]> {
  return withFakeGpu(options, async (fake) => {
    await withChild(
      source(fake, 'thread', 'nvmlShutdown', "gpu.stopGpu(); say('stopped');"),
      async (child) => {
        // With nothing blocked it never gets `unresponsive`; what matters is what the driver was asked.
        await until(() => fake.calls('nvmlShutdown') > 0);
        child.process.kill('SIGKILL');
        await child.exit();
      },
    );
    return Object.keys(fake.allCalls());
  });
}

async function inTurn<T>(items: readonly T[], use: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) await use(item, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

describe('a driver call that never returns', () => {
  it.each<[Isolation, string]>([
    ['thread', '470'],
    ['thread', '610'],
    ['process', '610'],
  ])(
    'is named by the finding and keeps no process from ending, whichever it is (%s, driver %s)',
    async (isolation, driver) => {
      const options = { gpus: [{ mig: 1 }, {}], driver };
      const calls = await everyCall(options);
      expect(calls.length).toBeGreaterThan(30);
      const problems: unknown[] = [];
      await inTurn(calls, async (call, index) => {
        const [title, end, code] = ENDS[index % ENDS.length] as (typeof ENDS)[number];
        await withFakeGpu(options, async (fake) => {
          fake.block(call);
          await withChild(source(fake, isolation, call, end), async (child) => {
            const stuck = await child.message<{ call: string; afterMs: number }>();
            const startedMs = performance.now();
            const exit = await child.exit();
            const tookMs = performance.now() - startedMs;
            const isRight =
              stuck.call === call &&
              stuck.afterMs >= 300 &&
              stuck.afterMs < 20_000 &&
              exit === code &&
              tookMs < ENDS_WITHIN_MS;
            if (!isRight) problems.push({ call, title, stuck, exit, tookMs, stderr: child.stderr() });
          });
        });
      });
      expect(problems).toEqual([]);
    },
    120_000,
  );
});
