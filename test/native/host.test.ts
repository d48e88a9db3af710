import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem, uptime } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CORES_SLOTS, REASON } from '../../lib/native/layout.js';
import { loadNative } from '../../lib/native/loader.js';
import { createHostSnapshot, readHost } from '../../lib/native/snapshot.js';

const native = loadNative().native!;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Keeps one core busy. */
function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('the host sampler on this machine', () => {
  beforeAll(() => {
    expect(native.startSampler({ root: '/', hz: 50, perCore: true })).toBe(true);
  });
  afterAll(() => native.stopSampler());

  it('agrees with Node about the machine', () => {
    const host = readHost(native)!;
    expect(host.get('cpuCount')).toBe(cpus().length);
    expect(host.get('memTotalBytes')).toBe(totalmem());
    expect(host.get('load15')).toBeCloseTo(loadavg()[2]!, 0);
    expect(Math.abs(host.get('uptimeSeconds') - uptime())).toBeLessThan(5);
    expect(Math.abs(host.get('observedUnixMs') - Date.now())).toBeLessThan(60_000);
    expect(Math.abs(host.get('processStartUnixMs') - (Date.now() - process.uptime() * 1000))).toBeLessThan(
      2000,
    );
  });

  it('agrees with /proc about this process', async () => {
    const snapshot = createHostSnapshot(native);
    await sleep(100);
    snapshot.refresh();
    const rss = process.memoryUsage.rss();
    expect(Math.abs(snapshot.get('processRssBytes') - rss) / rss).toBeLessThan(0.25);
    expect(Math.abs(snapshot.get('openFds') - readdirSync('/proc/self/fd').length)).toBeLessThan(5);
    expect(Math.abs(snapshot.get('threads') - readdirSync('/proc/self/task').length)).toBeLessThan(5);
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    expect(snapshot.get('maxFds')).toBe(Number(soft));
  });

  it('sees the processor time that this process uses', async () => {
    const snapshot = createHostSnapshot(native);
    const deadline = Date.now() + 20_000;
    let least = 0;
    // Other processes may hold the cores, so that one busy thread gets less than one.
    do {
      const [startMs, before] = [performance.now(), process.cpuUsage()];
      burn(300);
      const { user, system } = process.cpuUsage(before);
      least = (0.5 * (user + system)) / 1000 / (performance.now() - startMs);
      snapshot.refresh();
    } while (!(snapshot.get('processCpuCores') > least) && Date.now() < deadline);
    expect(snapshot.get('processCpuCores')).toBeGreaterThan(least);
    expect(snapshot.get('cpuBusyRatio')).toBeGreaterThan(0);
    expect(snapshot.get('cpuBusyRatio')).toBeLessThanOrEqual(1);
    expect(snapshot.get('cpuReason')).toBe(REASON.ok);
  });

  it('gives a ratio for every core when it is asked to', () => {
    const cores = new Float64Array(CORES_SLOTS);
    expect(native.read('cores', cores)).toBeGreaterThan(0);
    expect(cores[0]).toBe(cpus().length);
    for (const ratio of cores.subarray(1, 1 + cpus().length)) expect(ratio >= 0 && ratio <= 1).toBe(true);
  });

  it('goes on while the main thread is blocked, and every sample is a new version', () => {
    const slots = new Float64Array(5);
    native.poll(-1, slots);
    const [now = 0, version = 0] = slots;
    const deadline = Date.now() + 10_000;
    do {
      burn(300);
      native.poll(-1, slots);
    } while (slots[1]! - version <= 3 && Date.now() < deadline);
    expect(slots[1]! - version).toBeGreaterThan(3);
    expect(slots[0]! - now).toBeGreaterThanOrEqual(290);
    expect(Math.abs(slots[4]! - Date.now())).toBeLessThan(5000);
  });

  it('starts once, keeps the last sample after a stop, and starts anew', () => {
    expect(native.startSampler({ root: '/', hz: 1, perCore: false })).toBe(false);
    native.stopSampler();
    native.stopSampler();
    expect(readHost(native)!.get('memTotalBytes')).toBe(totalmem());
    expect(native.startSampler({ root: '/', hz: 50, perCore: true })).toBe(true);
    expect(readHost(native)!.get('samples')).toBeGreaterThan(0);
  });

  it('lets through what a getter of its options throws', () => {
    const complete = { root: '/', hz: 1, perCore: false };
    for (const name of Object.keys(complete)) {
      const options = Object.defineProperty({ ...complete }, name, {
        get: () => {
          throw new Error(`no ${name}`);
        },
      });
      expect(() => native.startSampler(options)).toThrow(`no ${name}`);
    }
  });

  it('lets through what a getter of the options of its GPU part throws', () => {
    const gpu = native.gpu!;
    const names = ['root', 'library', 'kmsg', 'deadlineMs', 'initDeadlineMs', 'fastMs', 'mediumMs', 'slowMs'];
    for (const name of names) {
      const options = Object.defineProperty({}, name, {
        get: () => {
          throw new Error(`no ${name}`);
        },
      });
      expect(() => gpu.startGpu(options)).toThrow(`no ${name}`);
    }
    expect(() => gpu.startGpu({ root: '/nowhere', deadlineMs: 1, fastMs: 1 })).toThrow('Expected deadlineMs');
  });

  it('says what is wrong with an argument', () => {
    const wrong = (options: object) => () => native.startSampler(options as never);
    expect(wrong({})).toThrow('Expected startSampler({ root: string, hz: number, perCore: boolean })');
    expect(wrong({ root: '/', hz: 0, perCore: false })).toThrow(RangeError);
    expect(wrong({ root: '/', hz: Number.NaN, perCore: false })).toThrow(
      'Expected hz to be between 1 and 100',
    );
    expect(() => native.read('gpu' as never, new Float64Array(99))).toThrow("'host' or 'cores'");
    expect(() => native.read('host', new Float64Array(3))).toThrow('at least 68 elements');
    expect(() => native.poll(0, [] as never)).toThrow('Float64Array');
  });
});
