import { describe, expect, it } from 'vitest';
import { type NvmlClient, withClient } from './client.js';
import { type FakeGpu, type FakeGpuOptions, withFakeGpu } from './fake-gpu.js';

const withBoth = (options: FakeGpuOptions, use: (fake: FakeGpu, client: NvmlClient) => Promise<void>) =>
  withFakeGpu(options, (fake) => withClient(fake.library, (client) => use(fake, client)));

const POWER = 'nvmlDeviceGetPowerUsage';
/** Longer than a call waits for a processor of a busy machine. */
const SLOW_US = 300_000;
const power = async (client: NvmlClient, index = 0) => (await client.call(POWER, `h${index}`, 'b4')).result;
const count = async (client: NvmlClient) =>
  (await client.call('nvmlDeviceGetCount_v2', 'b4')).buffers[0]!.bytes.readUInt32LE();
const uuid = async (client: NvmlClient, index: number) => {
  const { buffers } = await client.call('nvmlDeviceGetUUID', `h${index}`, 'b96', 96);
  return buffers[0]!.bytes.toString('latin1', 0, buffers[0]!.bytes.indexOf(0));
};

describe('steering the fake driver', () => {
  it.each([
    ['470', { nvmlDeviceGetMemoryInfo_v2: false, nvmlDeviceGetComputeRunningProcesses_v2: true }],
    ['535.43', { nvmlDeviceGetMemoryInfo_v2: true, nvmlDeviceGetGpuFabricInfoV: false }],
    ['535.104', { nvmlDeviceGetGpuFabricInfoV: true, nvmlDeviceGetSramEccErrorStatus: false }],
    ['550', { nvmlDeviceGetSramEccErrorStatus: true, nvmlDeviceGetMarginTemperature: false }],
    ['570', { nvmlDeviceGetMarginTemperature: true, nvmlSystemEventSetCreate: false }],
    ['610', { nvmlSystemEventSetCreate: true, nvmlDeviceGetRemappedRows_v2: true }],
  ])('driver %s has the symbols of its age', async (driver, wanted) => {
    await withBoth({ driver }, async (_, client) => {
      for (const [symbol, isThere] of Object.entries(wanted))
        expect([symbol, await client.has(symbol)]).toEqual([symbol, isThere]);
    });
  });

  it('gives any return code, for one device, from a call on, for so many calls', async () => {
    await withBoth({ gpus: 2 }, async (fake, client) => {
      await client.open(2);
      for (const code of [1, 2, 3, 4, 9, 12, 15, 16, 17, 18, 25, 27, 28, 999]) {
        fake.fail(POWER, code);
        expect(await power(client)).toBe(code);
      }
      fake.fail(POWER, 4, { device: 1 });
      expect([await power(client, 0), await power(client, 1)]).toEqual([0, 4]);
      fake.fail(POWER, 17, { after: 1, times: 2 });
      const answers = [];
      for (let call = 0; call < 5; call += 1) answers.push(await power(client));
      expect(answers).toEqual([0, 17, 17, 0, 0]);
      expect(fake.errors(POWER)).toBe(14 + 1 + 2);
    });
  });

  it('makes calls slow: all, one of the next, every N-th', async () => {
    await withBoth({}, async (fake, client) => {
      await client.open(1);
      const took = async () => (await client.call(POWER, 'h0', 'b4')).us >= SLOW_US;
      fake.latency(POWER, SLOW_US);
      expect(await took()).toBe(true);
      fake.clear();
      fake.slow(POWER, SLOW_US, { after: 1, times: 1 });
      expect([await took(), await took(), await took()]).toEqual([false, true, false]);
      fake.slow(POWER, SLOW_US, { every: 2 });
      const slow = [await took(), await took(), await took(), await took()];
      expect(slow.filter(Boolean)).toHaveLength(2);
    });
  });

  it('holds a call for ever, and lets it go', async () => {
    await withBoth({ gpus: 2 }, async (fake, client) => {
      await client.open(2);
      fake.block(POWER, { device: 1 });
      expect(await power(client, 0)).toBe(0);
      let isBack = false;
      const held = client.spawn(POWER, 'h1', 'b4').then((answer) => {
        isBack = true;
        return answer;
      });
      await fake.until(() => fake.blocked(POWER) === 1);
      expect(await count(client)).toBe(2);
      expect(isBack).toBe(false);
      fake.set(1, { returnCode: 15 });
      fake.release(POWER);
      expect((await held).result).toBe(15);
      expect(fake.blocked()).toBe(0);
    });
  });

  it('holds init too, and everything at once', async () => {
    await withBoth({}, async (fake, client) => {
      fake.block('nvmlInit_v2');
      const init = client.spawn('nvmlInit_v2');
      await fake.until(() => fake.blocked() === 1);
      fake.release();
      expect((await init).result).toBe(0);
      await client.open(1);
      fake.block();
      const held = [client.spawn(POWER, 'h0', 'b4'), client.spawn('nvmlDeviceGetCount_v2', 'b4')];
      await fake.until(() => fake.blocked() === 2);
      fake.release();
      for (const answer of await Promise.all(held)) expect(answer.result).toBe(0);
    });
  });

  it('loses a GPU, forgets it at the next init with the indices shifted, and has it back by its UUID', async () => {
    await withBoth({ gpus: 3 }, async (fake, client) => {
      await client.open(3);
      const before = [await uuid(client, 0), await uuid(client, 1), await uuid(client, 2)];
      fake.lose(1);
      expect([await power(client, 0), await power(client, 1), await count(client)]).toEqual([0, 15, 3]);
      fake.vanish(1);
      expect(await count(client)).toBe(3);
      await client.call('nvmlShutdown');
      await client.open(2);
      expect([await count(client), await uuid(client, 1)]).toEqual([2, before[2]]);
      await client.call('nvmlShutdown');
      fake.restore(1);
      await client.open(3);
      expect([await uuid(client, 0), await uuid(client, 1), await uuid(client, 2)]).toEqual(before);
    });
  });

  it('tells an unloaded driver, a mismatch and lost access apart', async () => {
    await withBoth({}, async (fake, client) => {
      const init = async () => (await client.call('nvmlInit_v2')).result;
      fake.unload();
      expect(await init()).toBe(9);
      fake.load();
      fake.mismatch();
      expect(await init()).toBe(18);
      fake.mismatch(false);
      await client.open(1);
      fake.mismatch();
      expect(await power(client)).toBe(0); // a running session goes on
      fake.loseAccess();
      expect([await power(client), await init()]).toEqual([999, 999]);
    });
  });

  it('has MIG devices with gaps, whose parent refuses what drivers refuse', async () => {
    await withBoth({ gpus: [{ mig: 3 }] }, async (fake, client) => {
      await client.open(1);
      const [first, second] = fake.migs(0);
      fake.set(second!, { present: 0 });
      const handle = async (index: number) =>
        (await client.call('nvmlDeviceGetMigDeviceHandleByIndex', 'h0', index, `Hm${index}`)).result;
      expect([await handle(0), await handle(1), await handle(2), await handle(7)]).toEqual([0, 6, 0, 2]);
      const { buffers } = await client.call('nvmlDeviceGetUUID', 'hm0', 'b96', 96);
      expect(buffers[0]!.bytes.toString('latin1')).toContain(fake.text(first!, 'uuid'));
      expect((await client.call('nvmlDeviceGetUtilizationRates', 'h0', 'b8')).result).toBe(3);
      expect((await client.call('nvmlDeviceGetRemappedRows', 'h0', 'b4', 'b4', 'b4', 'b4')).result).toBe(3);
      const instance = await client.call('nvmlDeviceGetGpuInstanceId', 'hm2', 'b4');
      expect(instance.buffers[0]!.bytes.readUInt32LE()).toBe(9);
    });
  });

  it('counts backwards when told to', async () => {
    await withBoth({}, async (fake, client) => {
      await client.open(1);
      const replays = async () =>
        (await client.call('nvmlDeviceGetPcieReplayCounter', 'h0', 'b4')).buffers[0]!.bytes.readUInt32LE();
      fake.set(0, { pcieReplay: 2 ** 32 - 1 });
      expect(await replays()).toBe(2 ** 32 - 1);
      fake.add(0, 'pcieReplay', 3);
      expect(await replays()).toBe(2);
      fake.add(0, 'pcieReplay', -2);
      expect(await replays()).toBe(0);
    });
  });

  it('grows a process list between two calls', async () => {
    await withBoth({}, async (fake, client) => {
      await client.open(1);
      fake.processes(0, [{ pid: 1 }, { pid: 2 }, { pid: 3 }, { pid: 4 }]);
      fake.set(0, { processCount: 1 });
      fake.setHeader('processGrowth', 1);
      const list = async (room: number) => {
        const { result, buffers } = await client.call(
          'nvmlDeviceGetComputeRunningProcesses_v3',
          'h0',
          `b4:${room}`,
          'b256',
        );
        return [result, buffers[0]!.bytes.readUInt32LE()];
      };
      expect([await list(0), await list(1), await list(3)]).toEqual([
        [7, 1],
        [7, 2],
        [0, 3],
      ]);
    });
  });

  it('keeps book of sessions, threads, leaks and misuse', async () => {
    await withBoth({}, async (fake, client) => {
      await client.open(1);
      await client.call('nvmlInit_v2');
      expect(fake.header('references')).toBe(2);
      await client.call('nvmlEventSetCreate', 'Sa');
      await client.call('nvmlEventSetCreate', 'Sb');
      expect((await client.call('nvmlEventSetFree', 'sa')).result).toBe(0);
      expect((await client.call('nvmlEventSetFree', 'sa')).result).toBe(2);
      expect((await client.call('nvmlEventSetWait_v2', 'sa', 'b32', 0)).result).toBe(2);
      await Promise.all([client.spawn(POWER, 'h0', 'b4'), client.spawn(POWER, 'h0', 'b4')]);
      await client.call('nvmlShutdown');
      await client.call('nvmlShutdown');
      await client.call('nvmlShutdown');
      expect(await power(client)).toBe(1);
      await client.call('nvmlInit_v2');
      expect(await power(client)).toBe(2); // the handle is of the session before
      expect(fake.counters()).toMatchObject({
        inits: 3,
        shutdowns: 3,
        references: 1,
        surplusShutdowns: 1,
        uninitializedCalls: 1,
        staleHandles: 1,
        eventSets: 1,
        doubleFrees: 1,
        freedSetUses: 1,
        threads: 3,
        inside: 0,
      });
      expect(fake.threads()).toHaveLength(3);
      expect(fake.allCalls()).toMatchObject({ nvmlInit_v2: 3, nvmlShutdown: 3, [POWER]: 4 });
    });
  });

  it('says which symbol was meant', async () => {
    await withFakeGpu({}, (fake) => {
      expect(() => fake.block('PowerUsage')).toThrow('did you mean nvmlDeviceGetPowerUsage');
      expect(() => fake.set(0, { memUsed: 1 })).toThrow('no field memUsed');
    });
  });
});
