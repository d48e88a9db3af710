import { closeSync, constants, openSync, readSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type NvmlClient, withClient } from './client.js';
import { EVENTS, type FakeGpu, type FakeGpuOptions, withFakeGpu } from './fake-gpu.js';

const ALL = 0xffbf;

/** A client with a set in which every GPU is registered for everything. */
const withEvents = (options: FakeGpuOptions, use: (fake: FakeGpu, client: NvmlClient) => Promise<void>) =>
  withFakeGpu(options, (fake) =>
    withClient(fake.library, async (client) => {
      await client.open(fake.gpus().length);
      await client.call('nvmlEventSetCreate', 'Se');
      for (const gpu of fake.gpus())
        expect((await client.call('nvmlDeviceRegisterEvents', `h${gpu}`, ALL, 'se')).result).toBe(0);
      await use(fake, client);
    }),
  );

async function next(client: NvmlClient, timeoutMs = 0) {
  const { result, buffers, us } = await client.call('nvmlEventSetWait_v2', 'se', 'b32', timeoutMs);
  const { bytes } = buffers[0]!;
  if (result !== 0) return { result, us };
  return {
    type: bytes.readUInt32LE(8),
    data: bytes.readUInt32LE(16),
    gi: bytes.readUInt32LE(24),
    ci: bytes.readUInt32LE(28),
  };
}
const timeout = expect.objectContaining({ result: 10 });

describe('events of the fake driver', () => {
  it('arrive in order, of every type, with instances, and not from before the registration', async () => {
    await withFakeGpu({}, (fake) => {
      fake.xid(0, 31);
      return withClient(fake.library, async (client) => {
        await client.open(1);
        await client.call('nvmlEventSetCreate', 'Se');
        await client.call('nvmlDeviceRegisterEvents', 'h0', ALL, 'se');
        expect(await next(client)).toEqual(timeout);
        for (const type of Object.values(EVENTS)) fake.event(0, { type, data: type });
        for (const type of Object.values(EVENTS))
          expect(await next(client)).toMatchObject({ type, data: type });
        fake.xid(0, 94, { mig: { gpuInstance: 5, computeInstance: 1 } });
        expect(await next(client)).toEqual({ type: 8, data: 94, gi: 5, ci: 1 });
        fake.event(0, { type: 8, data: 999 });
        expect(await next(client)).toEqual({ type: 8, data: 999, gi: 0xffffffff, ci: 0xffffffff });
        expect(await next(client)).toEqual(timeout);
      });
    });
  });

  it('wake a wait that is under way', async () => {
    await withEvents({ gpus: 2 }, async (fake, client) => {
      const wait = client.spawn('nvmlEventSetWait_v2', 'se', 'b32', 20_000);
      await fake.until(() => fake.header('inside') === 1);
      fake.xid(1, 79);
      const { result, us } = await wait;
      expect(result).toBe(0);
      expect(us).toBeLessThan(15_000_000);
    });
  });

  it('come in bursts', async () => {
    await withEvents({}, async (fake, client) => {
      fake.event(0, { type: EVENTS.xid, data: 100, repeat: 300, step: 1 });
      for (let index = 0; index < 300; index += 1)
        expect(await next(client)).toMatchObject({ data: 100 + index });
      expect(await next(client)).toEqual(timeout);
      fake.xid(0, 45, { times: 100_000, via: ['nvml'] });
      expect(await next(client)).toMatchObject({ data: 45 });
    });
  });

  it('can be of a device that nobody knows', async () => {
    await withEvents({}, async (fake, client) => {
      fake.event(-1, { type: EVENTS.xid, data: 13 });
      expect(await next(client)).toMatchObject({ type: 8, data: 13 });
    });
  });

  it('are refused as a whole when one bit is not supported', async () => {
    await withFakeGpu({ driver: '535.104' }, (fake) =>
      withClient(fake.library, async (client) => {
        await client.open(1);
        await client.call('nvmlEventSetCreate', 'Se');
        expect((await client.call('nvmlDeviceRegisterEvents', 'h0', ALL, 'se')).result).toBe(3);
        fake.xid(0, 79);
        expect(await next(client)).toEqual(timeout);
        expect((await client.call('nvmlDeviceRegisterEvents', 'h0', 8, 'se')).result).toBe(0);
      }),
    );
  });

  it('fail at once, for ever and without a name while a GPU of the set is lost', async () => {
    await withEvents({ gpus: 2 }, async (fake, client) => {
      fake.xid(1, 79);
      fake.lose(1);
      expect(await next(client)).toMatchObject({ data: 79 });
      for (let call = 0; call < 3; call += 1) {
        const { result, us = 0 } = await next(client, 5000);
        expect(result).toBe(15);
        expect(us).toBeLessThan(2_000_000);
      }
      fake.restore(1);
      expect(await next(client)).toEqual(timeout);
      for (const code of [1, 15, 999]) {
        fake.fail('nvmlEventSetWait_v2', code);
        expect((await next(client, 5000)).result).toBe(code);
      }
    });
  });

  it('a wait under way can be wedged and let go', async () => {
    await withEvents({}, async (fake, client) => {
      const wait = client.spawn('nvmlEventSetWait_v2', 'se', 'b32', 10);
      fake.block('nvmlEventSetWait_v2');
      const second = client.spawn('nvmlEventSetWait_v2', 'se', 'b32', 10);
      await fake.until(() => fake.blocked() >= 1);
      fake.release();
      expect([(await wait).result, (await second).result]).toEqual([10, 10]);
    });
  });

  it('announce that the driver is unbound and bound again', async () => {
    await withFakeGpu({ driver: '610' }, (fake) =>
      withClient(fake.library, async (client) => {
        const created = await client.call('nvmlSystemEventSetCreate', 'b16:0x1000010');
        expect(created.result).toBe(0);
        const set = created.buffers[0]!.bytes.readBigUInt64LE(8);
        expect(set).not.toBe(0n);
        await client.open(1);
        const unbound = fake.unbind();
        await client.call('nvmlShutdown');
        await unbound;
        expect((await client.call('nvmlInit_v2')).result).toBe(9);
        fake.bind();
        expect((await client.call('nvmlInit_v2')).result).toBe(0);
        expect((await client.call('nvmlSystemEventSetCreate', 'b16:0x1000018')).result).toBe(25);
      }),
    );
  });
});

describe('the fake kernel log', () => {
  it('gives one record a read, numbered, with gaps and escapes where asked for', async () => {
    await withFakeGpu({}, (fake) => {
      const reader = openSync(fake.kmsg.path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const read = () => {
          const bytes = Buffer.alloc(8192);
          return bytes.toString('latin1', 0, readSync(reader, bytes));
        };
        expect(read).toThrow('EAGAIN');
        fake.xid(0, 79, { via: ['kmsg'] });
        fake.xid(0, 31, { via: ['kmsg'], pid: 1234, name: 'python3', text: 'Ch 00000008' });
        fake.xid(0, 94, { mig: { gpuInstance: 5, computeInstance: 0 }, via: ['kmsg'], text: 'x' });
        fake.kmsg.gap(40);
        fake.kmsg.write('a\nb\\c', { priority: 6, usec: 77, keys: { SUBSYSTEM: 'pci' } });
        fake.kmsg.raw('nonsense');
        expect(read()).toMatch(
          /^4,0,\d+,-;NVRM: Xid \(PCI:0000:0f:00\): 79, GPU has fallen off the bus\.\n$/,
        );
        expect(read()).toMatch(
          /^4,1,\d+,-;NVRM: Xid \(PCI:0000:0f:00\): 31, pid=1234, name=python3, Ch 00000008\n$/,
        );
        expect(read()).toContain(
          "(PCI:0000:0f:00 GPU-I:05 GPU-CI:00): 94, pid='<unknown>', name=<unknown>, x",
        );
        expect(read()).toBe('6,43,77,-;a\\x0ab\\x5cc\n SUBSYSTEM=pci\n');
        expect(read()).toBe('nonsense');
        expect(read).toThrow('EAGAIN');
      } finally {
        closeSync(reader);
      }
    });
  });
});
