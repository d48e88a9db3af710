import { spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { NativeAddon } from '../../lib/native/addon.js';
import { createFallback } from '../../lib/native/fallback.js';
import { HOST_FIELDS, REASON } from '../../lib/native/layout.js';
import { loadNative } from '../../lib/native/loader.js';
import { createHostSnapshot, type HostField, readHost } from '../../lib/native/snapshot.js';
import { FAKE_HOSTS, type FakeHost, withFakeHost } from '../helpers/fake-host.js';

const native = loadNative().native!;
const GIB = 1024 ** 3;
/** Fields that differ from one sample to the next whatever the host says. */
const OF_THE_MOMENT: readonly HostField[] = [
  'observedAtMs',
  'observedUnixMs',
  'sampleDurationUs',
  'samples',
  'processStartUnixMs',
];

/** Both samplers over one host; the native one is the process's only one. */
function withSamplers<T>(root: string, hz: number, use: (samplers: readonly NativeAddon[]) => T): T {
  const options = { root, hz, perCore: false };
  const fallback = createFallback({ root, hz, heartbeat: null });
  native.startSampler(options);
  fallback.startSampler(options);
  return use([native, fallback]);
}

function factsOf(addon: NativeAddon): Map<HostField, number> {
  const host = readHost(addon)!;
  return new Map(
    HOST_FIELDS.filter((field) => !OF_THE_MOMENT.includes(field)).map((field) => [field, host.get(field)]),
  );
}

function expectSameFacts(root: string, what: string): void {
  withSamplers(root, 1, ([addon, fallback]) => {
    expect(Object.fromEntries(factsOf(fallback!)), what).toEqual(Object.fromEntries(factsOf(addon!)));
    fallback!.stopSampler();
  });
  native.stopSampler();
}

afterEach(() => native.stopSampler());

describe.each(['addon', 'fallback'] as const)('the %s on a fake host', (kind) => {
  const sample = (name: string, use: (get: (field: HostField) => number) => void): Promise<void> =>
    withFakeHost(name, ({ root }) => {
      const addon = kind === 'addon' ? native : createFallback({ root, hz: 1, heartbeat: null });
      addon.startSampler({ root, hz: 1, perCore: false });
      use(readHost(addon)!.get);
      addon.stopSampler();
    });

  it('takes the limits of a container as its own', () =>
    sample('v2-container', (get) => {
      expect(get('cgroupVersion')).toBe(2);
      expect(get('cgroupMemoryLimitBytes')).toBe(2 * GIB);
      expect(get('cgroupWorkingSetBytes')).toBe(1503238553 - GIB / 4);
      expect(get('cgroupCpuQuotaCores')).toBe(1.5);
      expect(get('cgroupOomKillEvents')).toBe(1);
      expect(get('psiScope')).toBe(1);
    }));

  it('takes the lowest limit of all ancestors, with the use of the group that sets it', () =>
    sample('v2-nested', (get) => {
      expect(get('cgroupMemoryLimitBytes')).toBe(4 * GIB);
      expect(get('cgroupWorkingSetBytes')).toBe(2 * GIB);
      expect(get('cgroupCpuQuotaCores')).toBe(2);
      expect(get('cgroupPidsMax')).toBe(100);
    }));

  it('reads version 1 and hybrids', async () => {
    await sample('v1-docker', (get) => {
      expect([get('cgroupVersion'), get('cgroupHybrid')]).toEqual([1, 0]);
      expect(get('cgroupMemoryLimitBytes')).toBe(2 * GIB);
      expect(get('cgroupCpuQuotaCores')).toBe(2.5);
    });
    await sample('hybrid', (get) => {
      expect([get('cgroupVersion'), get('cgroupHybrid')]).toEqual([1, 1]);
      expect(get('cgroupMemoryLimitBytes')).toBe(GIB);
      expect(get('cgroupPidsMax')).toBe(50);
    });
  });

  it('has a reason and no zero for what is not there', async () => {
    await sample('sandbox', (get) => {
      expect(get('cpuReason')).toBe(REASON.unsupported);
      expect(get('cpuBusyRatio')).toBeNaN();
      expect(get('psiMemoryReason')).toBe(REASON.missing);
      expect(get('cgroupMemoryReason')).toBe(REASON.missing);
      expect(get('fdReason')).toBe(REASON.unlimited);
    });
    await sample('v2-outside', (get) => {
      expect(get('cgroupMemoryReason')).toBe(REASON.unsupported);
      expect(get('cgroupMemoryLimitBytes')).toBeNaN();
    });
    await sample('old-kernel', (get) => {
      expect(get('memReason')).toBe(REASON.missing);
      expect(get('memAvailableBytes')).toBeNaN();
    });
  });

  it('follows files that change, vanish and come back', () =>
    withFakeHost('v2-container', async (host) => {
      const addon = kind === 'addon' ? native : createFallback({ root: host.root, hz: 1, heartbeat: null });
      addon.startSampler({ root: host.root, hz: 100, perCore: false });
      const snapshot = createHostSnapshot(addon);
      const newest = (field: HostField): number => {
        snapshot.refresh();
        return snapshot.get(field);
      };
      const becomes = (field: HostField, value: number): Promise<void> =>
        expect.poll(() => newest(field), { timeout: 20_000, interval: 5 }).toBe(value);

      const stat = host.read('/proc/stat');
      host.write('/proc/stat', stat.replace(/^cpu .*/, 'cpu  84310 120 31020 512700 2410 10 90 33 400 5'));
      await expect.poll(() => newest('cpuBusyRatio'), { timeout: 20_000, interval: 5 }).toBeCloseTo(0.25, 9);
      host.write('/sys/fs/cgroup/memory.max', `${GIB}\n`);
      await becomes('cgroupMemoryLimitBytes', GIB);
      host.remove('/proc/stat');
      await becomes('cpuReason', REASON.missing);
      expect(snapshot.get('cpuBusyRatio')).toBeNaN();
      host.write('/proc/stat', 'cpu of rubbish\n');
      await becomes('cpuReason', REASON.malformed);
      host.write('/proc/stat', stat);
      await becomes('cpuReason', REASON.ok);
      host.remove('/sys');
      await becomes('cgroupMemoryReason', REASON.missing);
      expect(snapshot.get('cgroupMemoryLimitBytes')).toBeNaN();
      addon.stopSampler();
    }));
});

describe('the fallback', () => {
  it.each(FAKE_HOSTS)('has the same facts as the addon on %s, intact and damaged', (name) =>
    withFakeHost(name, (host) => {
      expectSameFacts(host.root, name);
      for (const path of host.files.filter((file) => !file.includes('/fd/'))) damageOne(host, path, name);
    }),
  );

  it.each(['v2-container', 'v1-docker'])(
    'waits for a FIFO or the end of an endless file as little as the addon, on %s',
    (name) =>
      withFakeHost(name, (host) => {
        const openFiles = (): number => readdirSync('/proc/self/fd').length;
        expectSameFacts(host.root, name);
        const before = openFiles();
        for (const path of host.files.filter((file) => !file.includes('/fd/'))) {
          const text = host.read(path);
          host.remove(path);
          spawnSync('mkfifo', [host.root + path]);
          expectSameFacts(host.root, `${name}: ${path} is a FIFO`);
          host.remove(path);
          symlinkSync('/dev/zero', host.root + path);
          expectSameFacts(host.root, `${name}: ${path} has no end`);
          host.remove(path);
          host.write(path, text);
        }
        expectSameFacts(host.root, name);
        expect(openFiles()).toBe(before);
      }),
  );

  it('has the same facts as the addon on this machine, but for what moves', () => {
    withSamplers('/', 1, ([addon, fallback]) => {
      const [ours, theirs] = [factsOf(addon!), factsOf(fallback!)];
      const isStill = (field: HostField): boolean =>
        /Reason$|Total|Limit|Quota|Max|max|Count|Version|Hybrid|Scope/.test(field);
      for (const [field, value] of ours)
        if (isStill(field) && !field.endsWith('TotalUs'))
          expect([field, theirs.get(field)]).toEqual([field, value]);
      for (const [field, value] of ours)
        expect([field, Number.isNaN(theirs.get(field))]).toEqual([field, Number.isNaN(value)]);
      fallback!.stopSampler();
    });
  });
});

function damageOne(host: FakeHost, path: string, name: string): void {
  const text = host.read(path);
  for (const [damage, wrong] of [
    ['removed', null],
    ['empty', ''],
    ['rubbish', 'rubbish\n'],
    ['negative', '-1\n'],
    ['cut', text.slice(0, text.length / 2)],
    ['binary', Buffer.from([0, 255, 10, 0])],
  ] as const) {
    if (wrong === null) host.remove(path);
    else host.write(path, wrong);
    expectSameFacts(host.root, `${name}: ${path} ${damage}`);
  }
  host.write(path, text);
}
