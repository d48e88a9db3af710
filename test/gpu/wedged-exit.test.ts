import { describe, expect, it } from 'vitest';
import { type Child, withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';
import { type FakeGpu, withFakeGpu } from './fake/fake-gpu.js';
import { gpuOptions, ISOLATIONS, type Isolation, inTime, server } from './wedged-server.js';

/** One for each thread that enters the driver, and the worker's beginning. */
const PLACES = ['nvmlInit_v2', 'nvmlDeviceGetMemoryInfo_v2', 'nvmlEventSetWait_v2'] as const;

interface Ending {
  readonly title: string;
  readonly run: (fake: FakeGpu, isolation: Isolation) => string;
  readonly code: number | string;
  /** From outside, once the driver is stuck. */
  readonly act: (child: Child) => void;
}

/** The server belongs on the main thread; what a worker can have of it is the addon. */
const inWorker = (fake: FakeGpu, isolation: Isolation, then: string): string => `
  const { Worker } = require('node:worker_threads');
  const worker = new Worker(
    "const { workerData, parentPort } = require('node:worker_threads');" +
    "require('./dist/cjs/native/loader.js').loadNative().native.gpu.startGpu(workerData);" +
    "parentPort.postMessage('up'); setInterval(() => {}, 1000);",
    { eval: true, workerData: ${JSON.stringify({ library: fake.library, kmsg: fake.kmsg.path, isolation })} });
  await new Promise((resolve) => worker.once('message', resolve));
  say('up');
  process.stdin.once('data', async () => { ${then} process.stdin.destroy(); });
`;
const onInput = (fake: FakeGpu, isolation: Isolation, then: string): string =>
  `${server(fake, isolation)} process.stdin.once('data', async () => { ${then} });`;
const tell = (child: Child): void => {
  child.process.stdin?.write('\n');
};

const ENDINGS: readonly Ending[] = [
  {
    title: 'process.exit',
    run: (fake, isolation) => onInput(fake, isolation, 'process.exit(3);'),
    act: tell,
    code: 3,
  },
  {
    title: 'its natural end',
    run: (fake, isolation) => `
      const health = await startHealth({ port: 0, host: '127.0.0.1', ${gpuOptions(fake, isolation)} });
      say(health.listeners[0].port);
      process.exitCode = 4;
      process.stdin.once('data', () => process.stdin.destroy());
    `,
    act: tell,
    code: 4,
  },
  {
    title: 'health.close() and its natural end',
    run: (fake, isolation) => `
      const health = await startHealth({ port: 0, host: '127.0.0.1', ${gpuOptions(fake, isolation)} });
      say(health.listeners[0].port);
      process.exitCode = 5;
      process.stdin.once('data', async () => { await health.close(); process.stdin.destroy(); });
    `,
    act: tell,
    code: 5,
  },
  {
    title: 'SIGTERM with a drain',
    run: (fake, isolation) => server(fake, isolation),
    act: (child) => void child.process.kill('SIGTERM'),
    code: 0,
  },
  {
    title: 'SIGTERM without a handler',
    run: (fake, isolation) => server(fake, isolation, false),
    act: (child) => void child.process.kill('SIGTERM'),
    code: 'SIGTERM',
  },
  {
    title: 'an uncaught error',
    run: (fake, isolation) => onInput(fake, isolation, "throw new Error('on purpose');"),
    act: tell,
    code: 1,
  },
  {
    title: 'the end of its worker, the process going on for 2.5 s',
    run: (fake, isolation) =>
      inWorker(
        fake,
        isolation,
        'await worker.terminate(); process.exitCode = 6; setTimeout(() => {}, 2500);',
      ),
    act: tell,
    code: 6,
  },
];

const LASTING = [
  ['for ever', null],
  ['for 2 s more', 2000],
  // The stop gives up waiting after 1 s: where an answer would meet it half undone.
  ['for 1 s more', 1000],
] as const;

describe.each(ISOLATIONS)('a process ends with a driver that hangs, asked by a %s', (isolation) => {
  it.concurrent.each(ENDINGS)(
    'by $title, in every place and however long',
    async ({ run, act, code }) => {
      const problems: unknown[] = [];
      for (const place of PLACES) {
        const attempts = LASTING.map(([how, releaseAfterMs]) =>
          withFakeGpu({}, async (fake) => {
            fake.block(place);
            await withChild(run(fake, isolation), async (child) => {
              await child.message();
              await until(() => fake.blocked(place) > 0);
              act(child);
              const releasing =
                releaseAfterMs === null ? undefined : setTimeout(() => fake.release(), releaseAfterMs);
              const [exit, isInTime] = await inTime(child.exit());
              clearTimeout(releasing);
              if (exit !== code || !isInTime)
                problems.push({ place, how, exit, isInTime, stderr: child.stderr() });
            });
          }),
        );
        await Promise.all(attempts);
      }
      expect(problems).toEqual([]);
    },
    120_000,
  );
});
