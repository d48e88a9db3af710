import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createRequestsBlock,
  MAX_SLOTS,
  openRequestsBlock,
  type RequestsBlock,
} from '../../lib/requests/layout.js';
import { createRequestsReader } from '../../lib/requests/reader.js';
import { attachThread, createShare, publishShare, unpublishShare } from '../../lib/requests/share.js';
import { claimSlot, releaseDeadThreads, releaseThread } from '../../lib/requests/slots.js';
import { watchWorkers } from '../../lib/requests/workers.js';

const clock = (): number => Number(process.hrtime.bigint()) / 1e6;
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name);
const workers: Worker[] = [];
let block: RequestsBlock;

beforeEach(() => {
  block = createRequestsBlock(clock());
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

/** A worker that has counted one success, one failure and holds two requests in flight. */
async function startCounting(end: string, token: unknown = createShare(block)): Promise<Worker> {
  const worker = new Worker(fixture('counting-worker.cjs'), { workerData: { token, end } });
  workers.push(worker);
  worker.on('error', () => {});
  const [message] = await once(worker, 'message');
  expect(message).toBe('counted');
  return worker;
}

/** Unlike events.once it does not reject when the worker ends by an error. */
const exitOf = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('exit', resolve));

const summary = () => createRequestsReader(block).read(clock());
const whileRunning = { active: 2, total: 4, completed: 1, failed: 1, tokensTotal: 10 };
const afterwards = { active: 0, total: 4, completed: 1, failed: 3, tokensTotal: 10 };

describe('counting on another thread', () => {
  test.each(['natural', 'process.exit', 'throw', 'reject'])(
    'frees the slot of a thread that ends by %s, with nobody looking after it',
    async (end) => {
      const worker = await startCounting(end);
      expect(summary()).toMatchObject(whileRunning);
      const exited = exitOf(worker);
      worker.postMessage('end');
      await exited;
      expect(summary()).toMatchObject(afterwards);
      expect(claimSlot(block)?.slot).toBe(0);
    },
  );

  test('frees the slot of a terminated thread when asked to look', async () => {
    const worker = await startCounting('busy');
    worker.postMessage('be busy');
    expect(releaseDeadThreads(block, clock())).toBe(0);
    expect(summary()).toMatchObject(whileRunning);
    await worker.terminate();
    expect(releaseDeadThreads(block, clock())).toBe(1);
    expect(summary()).toMatchObject(afterwards);
    expect(releaseDeadThreads(block, clock())).toBe(0);
  });

  test('frees the slot of a terminated thread at once where its parent watches, also without /proc', async () => {
    const unwatch = watchWorkers(block, clock);
    try {
      const worker = await startCounting('busy');
      worker.postMessage('be busy');
      await worker.terminate();
      expect(summary()).toMatchObject(afterwards);
    } finally {
      unwatch();
    }
  });

  test('frees the slot of a terminated thread while the main thread is blocked', async () => {
    const released = new Int32Array(new SharedArrayBuffer(4));
    workers.push(
      new Worker(fixture('sweeping-worker.cjs'), {
        workerData: { buffer: block.buffer, released: released.buffer },
      }),
    );
    const worker = await startCounting('busy');
    worker.postMessage('be busy');
    void worker.terminate();
    // From here on this thread's loop does not turn.
    expect(Atomics.wait(released, 0, 0, 20_000)).not.toBe('timed-out');
    expect(summary()).toMatchObject(afterwards);
  });

  test('gives the slot back on close, and counts no more there', async () => {
    const worker = await startCounting('close');
    worker.postMessage('close');
    expect((await once(worker, 'message'))[0]).toBe('closed');
    expect(summary()).toMatchObject(afterwards);
    expect(claimSlot(block)?.slot).toBe(0);
  });

  test('finds the health without a token on threads that are started after it', async () => {
    const token = createShare(block);
    publishShare(token);
    try {
      await startCounting('natural', undefined);
      expect(summary()).toMatchObject(whileRunning);
    } finally {
      unpublishShare(token);
    }
  });

  test('keeps the totals of many threads that come and go', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const batch = await Promise.all([startCounting('natural'), startCounting('natural')]);
      expect(summary()).toMatchObject({ active: 4, total: 8 * round });
      const exits = batch.map(exitOf);
      for (const worker of batch) worker.postMessage('end');
      await Promise.all(exits);
      expect(summary()).toMatchObject({
        active: 0,
        total: 8 * round,
        completed: 2 * round,
        failed: 6 * round,
      });
    }
    expect(claimSlot(block)?.slot).toBe(0);
  });
});

describe('attaching', () => {
  const { attachHealth } = createRequire(import.meta.url)(
    join(import.meta.dirname, '../../dist/cjs/requests/attach.js'),
  );

  test('says what to do when there is no health', () => {
    expect(() => attachHealth()).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG_INVALID',
        message: expect.stringContaining('health.share()'),
      }),
    );
  });

  test.each([
    {},
    null,
    'token',
    { requests: new SharedArrayBuffer(8) },
    { requests: new SharedArrayBuffer(4096) },
  ])('refuses a token that is none: %j', (token) => {
    expect(() => attachHealth(token)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });

  test('takes one slot however often a thread attaches, and frees it with the last close', async () => {
    const first = attachThread(block, clock);
    const second = attachThread(openRequestsBlock(block.buffer)!, clock);
    const pending = second.begin();
    first.release();
    first.release();
    expect(summary()).toMatchObject({ active: 1 });
    second.release();
    expect(summary()).toMatchObject({ active: 0, failed: 1 });
    pending.end();
    expect(second.begin()).toBeDefined();
    expect(summary()).toMatchObject({ active: 0, total: 1, completed: 0, failed: 1 });
  });

  test('leaves no exit listener behind', () => {
    const before = process.listenerCount('exit');
    const thread = attachThread(block, clock);
    expect(process.listenerCount('exit')).toBe(before + 1);
    thread.release();
    expect(process.listenerCount('exit')).toBe(before);
  });

  test(`refuses the thread after the first ${MAX_SLOTS}, by name`, () => {
    for (let slot = 0; slot < MAX_SLOTS; slot += 1) expect(claimSlot(block)?.slot).toBe(slot);
    expect(() => attachThread(block, clock)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('64 threads') }),
    );
    expect(releaseThread(block, 0, clock())).toBe(MAX_SLOTS);
    attachThread(block, clock).release();
  });
});

test('a reader never sees a request twice or half a second while seconds are recycled under it', async () => {
  const control = new Int32Array(new SharedArrayBuffer(12));
  const [SECOND, STOP, STARTED] = [0, 1, 2] as const;
  const worker = new Worker(fixture('minute-writer.cjs'), {
    workerData: { buffer: block.buffer, control: control.buffer },
  });
  workers.push(worker);
  while (Atomics.load(control, STARTED) === 0) await sleep(5);
  const reader = createRequestsReader(block);
  const startMs = Date.now();
  let lastTotal = 0;
  let full = 0;
  // Longer where the two threads have to share a processor with others.
  const isEnough = () =>
    Date.now() - startMs > 1500 &&
    ((full > 10 && Atomics.load(control, SECOND) > 200) || Date.now() - startMs > 20_000);
  while (!isEnough()) {
    for (let i = 0; i < 200; i += 1) {
      const before = Atomics.load(control, SECOND);
      const read = reader.read(block.startedMs + before * 1000 + 1);
      // The 60 seconds of the window, the one that the clocks may differ by, never more.
      const tokens = (read.tokensPerSecond * Math.max(1000, Math.min(before, 59) * 1000)) / 1000;
      expect(tokens).toBeLessThanOrEqual(61 * 20 * 7 + 0.001);
      expect(read.errorRatePercent).toBe(0);
      expect(read.total).toBeGreaterThanOrEqual(lastTotal);
      lastTotal = read.total;
      if (read.p50Ms === 0) continue;
      // All took the same time: anything else is a count read from two different seconds.
      expect(Math.abs(read.p50Ms / 250 - 1)).toBeLessThan(0.0626);
      expect(read.p99Ms).toBe(read.p50Ms);
      if (tokens > 55 * 20 * 7) full += 1;
    }
  }
  const exited = exitOf(worker);
  Atomics.store(control, STOP, 1);
  await exited;
  expect(full).toBeGreaterThan(10);
  const seconds = Atomics.load(control, SECOND);
  expect(seconds).toBeGreaterThan(200);
  const last = reader.read(block.startedMs + (seconds - 1) * 1000 + 1);
  expect(last).toMatchObject({ active: 0, total: seconds * 20, completed: seconds * 20, avgMs: 250 });
  expect(last.tokensPerSecond).toBeCloseTo((60 * 20 * 7) / 59.001, 6);
});
