import { readdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { createFallback } from '../../lib/native/fallback.js';
import { startHeartbeat } from '../../lib/native/heartbeat.js';
import { CORES_SLOTS, HOST, HOST_FIELDS, LOOP_FIELDS, REASON } from '../../lib/native/layout.js';
import { createSystemReader } from '../../lib/native/procfs/system-reader.js';
import { readHost } from '../../lib/native/snapshot.js';
import { withFakeHost } from '../helpers/fake-host.js';

/** For a machine that does much else at the same time. */
const PATIENT = { timeout: 20_000, interval: 5 };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const openFiles = (): number => readdirSync('/proc/self/fd').length;

function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Until the system says that this process has had so much of a processor: on a busy machine that takes longer. */
function use(cpuMs: number): void {
  const before = process.cpuUsage();
  for (let used = 0; used < cpuMs * 1000; ) {
    const { user, system } = process.cpuUsage(before);
    used = user + system;
  }
}

describe('the JavaScript sampler', () => {
  it('takes its first sample before startSampler returns, then one per interval', async () => {
    const fallback = createFallback({ root: '/', hz: 1, heartbeat: null });
    expect(fallback.startSampler({ root: '/', hz: 100, perCore: false })).toBe(true);
    expect(fallback.startSampler({ root: '/', hz: 100, perCore: false })).toBe(false);
    expect(readHost(fallback)!.get('memTotalBytes')).toBe(totalmem());
    await expect.poll(() => readHost(fallback)!.get('samples'), PATIENT).toBeGreaterThan(3);
    fallback.stopSampler();
    const { slots } = readHost(fallback)!;
    await sleep(50);
    expect(readHost(fallback)!.slots).toEqual(slots);
  });

  it('samples on demand, at most once per interval, when nobody has started it', async () => {
    const fallback = createFallback({ root: '/', hz: 2, heartbeat: null });
    const version = (): number => {
      const slots = new Float64Array(5);
      fallback.poll(-1, slots);
      return slots[1]!;
    };
    expect([version(), version()]).toEqual([1, 1]);
    await sleep(510);
    expect([version(), version()]).toEqual([2, 2]);
  });

  it('keeps no file open once it is stopped or when nobody started it', () => {
    const before = openFiles();
    for (let i = 0; i < 20; i += 1) {
      const fallback = createFallback({ root: '/', hz: 1, heartbeat: null });
      readHost(fallback);
      fallback.startSampler({ root: '/', hz: 1, perCore: false });
      fallback.stopSampler();
    }
    expect(openFiles()).toBe(before);
  });

  it('gives a ratio for every core when it is asked to', () =>
    withFakeHost('v2-container', async ({ root, read, write }) => {
      const fallback = createFallback({ root, hz: 1, heartbeat: null });
      const cores = new Float64Array(CORES_SLOTS);
      expect(fallback.read('cores', cores)).toBe(0);
      fallback.startSampler({ root, hz: 100, perCore: true });
      write(
        '/proc/stat',
        read('/proc/stat')
          .replace(/^cpu0 \d+/m, 'cpu0 31052')
          .replace(/^cpu 84210/, 'cpu 94210'),
      );
      await expect.poll(() => (fallback.read('cores', cores) > 0 ? cores[1] : 0), PATIENT).toBe(1);
      expect(cores[0]).toBe(4);
      fallback.stopSampler();
    }));

  it('refuses what the addon refuses', () => {
    const fallback = createFallback({ root: '/', hz: 1, heartbeat: null });
    expect(() => fallback.startSampler({ root: '/', hz: 101, perCore: false })).toThrow(RangeError);
    expect(() => fallback.read('host', new Float64Array(3))).toThrow('at least 68 elements');
  });
});

describe('its loop monitor', () => {
  it('reads how long the loop behind the heartbeat is overdue', async () => {
    const heartbeat = startHeartbeat(createFallback({ root: '/', hz: 1, heartbeat: null }).now);
    const fallback = createFallback({ root: '/', hz: 1, heartbeat: heartbeat.buffer });
    const polled = new Float64Array(5);
    const busy = (): number => {
      fallback.poll(0, polled);
      return polled[2]!;
    };
    await sleep(150);
    burn(300);
    expect(busy()).toBeGreaterThan(150);
    expect(polled[3]).toBe(1);
    const loop = new Float64Array(LOOP_FIELDS.length);
    expect(fallback.readLoop(0, loop)).toBe(true);
    await expect.poll(busy, PATIENT).toBe(0);
    heartbeat.stop();
    busy();
    expect(polled[3]).toBe(0);
    expect(fallback.readLoop(0, loop)).toBe(false);
  });

  it('watches nothing without a heartbeat', () => {
    const fallback = createFallback({ root: '/', hz: 1, heartbeat: null });
    expect(fallback.monitorLoop()).toBe(-1);
    expect(fallback.readLoop(0, new Float64Array(LOOP_FIELDS.length))).toBe(false);
    expect(fallback.threadId()).toBeGreaterThan(0);
  });
});

it('without /proc it gives what Node gives, and calls the rest unsupported', () => {
  const slots = new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
  const reader = createSystemReader();
  reader.sample(1000, Date.now(), slots, new Float64Array(0));
  expect(slots[HOST.memTotalBytes]).toBe(totalmem());
  expect(slots[HOST.processRssBytes]).toBeGreaterThan(1e6);
  expect(slots[HOST.cpuReason]).toBe(REASON.needsSecondSample);
  expect(slots[HOST.cgroupMemoryReason]).toBe(REASON.unsupported);
  expect(slots[HOST.psiCpuReason]).toBe(REASON.unsupported);
  use(50);
  slots.fill(Number.NaN);
  reader.sample(2000, Date.now(), slots, new Float64Array(0));
  expect(slots[HOST.cpuBusyRatio]).toBeGreaterThanOrEqual(0);
  expect(slots[HOST.processCpuCores]).toBeGreaterThan(0);
});
