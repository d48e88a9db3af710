import { describe, expect, it } from 'vitest';
import { withClient } from './client.js';
import { withFakeGpu } from './fake-gpu.js';

type Word = 'u32' | 'u64' | 'i32' | 'u8';
/** Struct sizes and offsets as published; `from` is the field of the control file that must turn up there. */
interface Struct {
  readonly call: string;
  readonly args?: readonly number[];
  readonly size: number;
  readonly version?: number;
  readonly fields: ReadonlyArray<readonly [offset: number, type: Word, from: string]>;
}

const STRUCTS: readonly Struct[] = [
  {
    call: 'nvmlDeviceGetMemoryInfo_v2',
    size: 40,
    version: 0x02000028,
    fields: [
      [8, 'u64', 'memTotalBytes'],
      [16, 'u64', 'memReservedBytes'],
      [32, 'u64', 'memUsedBytes'],
    ],
  },
  { call: 'nvmlDeviceGetMemoryInfo', size: 24, fields: [[0, 'u64', 'memTotalBytes']] },
  { call: 'nvmlDeviceGetBAR1MemoryInfo', size: 24, fields: [[16, 'u64', 'bar1UsedBytes']] },
  {
    call: 'nvmlDeviceGetUtilizationRates',
    size: 8,
    fields: [
      [0, 'u32', 'utilGpuPercent'],
      [4, 'u32', 'utilMemPercent'],
    ],
  },
  {
    call: 'nvmlDeviceGetPciInfo_v3',
    size: 68,
    fields: [
      [16, 'u32', 'pciDomain'],
      [20, 'u32', 'pciBus'],
      [24, 'u32', 'pciDevice'],
      [28, 'u32', 'pciDeviceId'],
      [32, 'u32', 'pciSubSystemId'],
    ],
  },
  { call: 'nvmlDeviceGetPciInfoExt', size: 64, version: 0x01000040, fields: [[8, 'u32', 'pciBus']] },
  { call: 'nvmlDeviceGetMarginTemperature', size: 8, version: 0x01000008, fields: [[4, 'i32', 'marginC']] },
  { call: 'nvmlDeviceGetViolationStatus', args: [1], size: 16, fields: [[8, 'u64', 'thermalViolationNs']] },
  {
    call: 'nvmlDeviceGetSramEccErrorStatus',
    size: 100, // of 104: the rest is padding
    version: 0x01000068,
    fields: [
      [8, 'u64', 'sramAggregateParity'],
      [16, 'u64', 'sramAggregateSecDed'],
      [24, 'u64', 'sramAggregateCorrected'],
      [32, 'u64', 'sramVolatileParity'],
      [40, 'u64', 'sramVolatileSecDed'],
      [48, 'u64', 'sramVolatileCorrected'],
      [56, 'u64', 'sramBucketL2'],
      [64, 'u64', 'sramBucketSm'],
      [72, 'u64', 'sramBucketPcie'],
      [80, 'u64', 'sramBucketMcu'],
      [88, 'u64', 'sramBucketOther'],
      [96, 'u32', 'sramThresholdExceeded'],
    ],
  },
  {
    call: 'nvmlDeviceGetRemappedRows_v2',
    size: 24,
    fields: [
      [0, 'u32', 'remapCorrected'],
      [4, 'u32', 'remapCorrectedInactive'],
      [8, 'u32', 'remapUncorrected'],
      [12, 'u32', 'remapUncorrectedInactive'],
      [16, 'u32', 'remapPending'],
      [20, 'u32', 'remapFailed'],
    ],
  },
  {
    call: 'nvmlDeviceGetRowRemapperHistogram',
    size: 20,
    fields: [
      [0, 'u32', 'histogramMax'],
      [16, 'u32', 'histogramNone'],
    ],
  },
  {
    call: 'nvmlDeviceGetRepairStatus',
    size: 12,
    version: 0x0100000c,
    fields: [
      [4, 'u32', 'channelRepairPending'],
      [8, 'u32', 'tpcRepairPending'],
    ],
  },
  {
    call: 'nvmlDeviceGetUnrepairableMemoryFlag_v1',
    size: 4,
    fields: [[0, 'u32', 'unrepairableMemory']],
  },
  {
    call: 'nvmlDeviceGetGpuFabricInfo',
    size: 28,
    fields: [
      [16, 'u32', 'fabricStatus'],
      [20, 'u32', 'fabricClique'],
      [24, 'u32', 'fabricState'],
    ],
  },
  {
    call: 'nvmlDeviceGetGpuFabricInfoV',
    size: 36,
    version: 0x02000024,
    fields: [
      [20, 'u32', 'fabricStatus'],
      [24, 'u32', 'fabricClique'],
      [28, 'u32', 'fabricState'],
      [32, 'u32', 'fabricHealthMask'],
    ],
  },
  {
    call: 'nvmlDeviceGetGpuFabricInfoV',
    size: 37, // of 40
    version: 0x03000028,
    fields: [
      [32, 'u32', 'fabricHealthMask'],
      [36, 'u8', 'fabricHealthSummary'],
    ],
  },
  { call: 'nvmlDeviceGetPowerUsage', size: 4, fields: [[0, 'u32', 'powerMw']] },
  { call: 'nvmlDeviceGetEnforcedPowerLimit', size: 4, fields: [[0, 'u32', 'powerLimitMw']] },
  { call: 'nvmlDeviceGetTemperature', args: [0], size: 4, fields: [[0, 'u32', 'temperatureC']] },
  { call: 'nvmlDeviceGetClockInfo', args: [1], size: 4, fields: [[0, 'u32', 'smClockMhz']] },
  { call: 'nvmlDeviceGetMaxClockInfo', args: [2], size: 4, fields: [[0, 'u32', 'maxMemClockMhz']] },
  { call: 'nvmlDeviceGetCurrentClocksEventReasons', size: 8, fields: [[0, 'u64', 'clockReasons']] },
  { call: 'nvmlDeviceGetTotalEnergyConsumption', size: 8, fields: [[0, 'u64', 'energyMj']] },
  {
    call: 'nvmlDeviceGetTotalEccErrors',
    args: [1, 0],
    size: 8,
    fields: [[0, 'u64', 'eccVolatileUncorrected']],
  },
  { call: 'nvmlDeviceGetPcieReplayCounter', size: 4, fields: [[0, 'u32', 'pcieReplay']] },
  { call: 'nvmlDeviceGetCurrPcieLinkWidth', size: 4, fields: [[0, 'u32', 'pcieWidth']] },
  { call: 'nvmlDeviceGetNvLinkErrorCounter', args: [3, 2], size: 8, fields: [[0, 'u64', 'nvlinkCrcFlit']] },
];

const read = (bytes: Buffer, offset: number, type: Word): number =>
  ({
    u8: () => bytes.readUInt8(offset),
    u32: () => bytes.readUInt32LE(offset),
    i32: () => bytes.readInt32LE(offset),
    u64: () => Number(bytes.readBigUInt64LE(offset)),
  })[type]();

describe('the binary interface of the fake driver', () => {
  it.each(STRUCTS.map((struct) => [`${struct.call} (${struct.size} bytes)`, struct] as const))(
    '%s writes every member at its published offset and nothing beyond',
    async (_, { call, args = [], size, version, fields }) => {
      await withFakeGpu({ driver: '610' }, (fake) =>
        withClient(fake.library, async (client) => {
          await client.open(1);
          // A value of its own for each member, so that two that swapped places are told apart.
          const values = Object.fromEntries(
            fields.map(([, type, from], index) => [from, type === 'u8' ? 2 : 101 + index]),
          );
          fake.set(0, { nvlinkErrorLink: 3, ...values });
          const buffer = version === undefined ? `b${size}` : `b${size}:${version}`;
          const { result, buffers } = await client.call(call, 'h0', ...args, buffer);
          expect(result).toBe(0);
          expect(buffers[0]!.written).toBe(size);
          const found = fields.map(([offset, type, from]) => [from, read(buffers[0]!.bytes, offset, type)]);
          expect(Object.fromEntries(found)).toEqual(values);
        }),
      );
    },
  );

  it('answers 25 to a struct version that it does not know', async () => {
    await withFakeGpu({ driver: '610' }, (fake) =>
      withClient(fake.library, async (client) => {
        await client.open(1);
        for (const { call, size, version } of STRUCTS) {
          if (version === undefined) continue;
          const wrong = await client.call(call, 'h0', `b${size}:${version + 0x01000000 * 4}`);
          expect([call, wrong.result, wrong.buffers[0]!.written]).toEqual([call, 25, 4]);
        }
      }),
    );
  });

  it('knows version 3 of the fabric only from 570 on', async () => {
    await withFakeGpu({ driver: '550' }, (fake) =>
      withClient(fake.library, async (client) => {
        await client.open(1);
        expect((await client.call('nvmlDeviceGetGpuFabricInfoV', 'h0', 'b40:0x3000028')).result).toBe(25);
        expect((await client.call('nvmlDeviceGetGpuFabricInfoV', 'h0', 'b40:0x2000024')).result).toBe(0);
      }),
    );
  });

  it.each([
    ['535.43', 32],
    ['535.104', 24],
    ['570', 24],
  ])('lists processes under driver %s with entries of %i bytes', async (driver, stride) => {
    await withFakeGpu({ driver }, (fake) =>
      withClient(fake.library, async (client) => {
        await client.open(1);
        fake.processes(0, [
          { pid: 11, memoryBytes: 1000, protectedBytes: 5 },
          { pid: 12, memoryBytes: 2000, protectedBytes: 6 },
        ]);
        const small = await client.call('nvmlDeviceGetComputeRunningProcesses_v3', 'h0', 'b4:0', 0);
        expect([small.result, small.buffers[0]!.bytes.readUInt32LE()]).toEqual([7, 2]);
        const { result, buffers } = await client.call(
          'nvmlDeviceGetComputeRunningProcesses_v3',
          'h0',
          'b4:2',
          'b64',
        );
        expect(result).toBe(0);
        expect(buffers[1]!.written).toBe(2 * stride);
        expect(buffers[1]!.bytes.readUInt32LE(stride)).toBe(12);
        expect(buffers[1]!.bytes.readUInt32LE(16)).toBe(0xffffffff);
      }),
    );
  });

  it('answers each item of a batch of field values by itself', async () => {
    await withFakeGpu({ driver: '570' }, (fake) =>
      withClient(fake.library, async (client) => {
        await client.open(1);
        fake.set(0, { recoveryAction: 2, memTemperatureC: null });
        fake.override(94, { returnCode: 999 });
        fake.override(4242, { valueType: 3, value: 2n ** 40n });
        const one = async (fieldId: number) => {
          const { buffers } = await client.call('nvmlDeviceGetFieldValues', 'h0', 1, `b40:${fieldId}`);
          const { bytes, written } = buffers[0]!;
          return [bytes.readInt32LE(28), bytes.readInt32LE(24), written > 28 ? bytes.readUInt32LE(32) : 0];
        };
        expect(await one(230)).toEqual([0, 1, 2]);
        expect((await one(82))[0]).toBe(3);
        expect((await one(9999))[0]).toBe(3);
        expect((await one(94))[0]).toBe(999);
        expect((await one(4242)).slice(0, 2)).toEqual([0, 3]);
      }),
    );
  });
});
