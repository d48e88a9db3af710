import { describe, expect, it } from 'vitest';
import { until, withHealth } from '../helpers/package.js';
import { EVENTS, type FakeGpu, withFakeGpu } from './fake/fake-gpu.js';

interface Fault {
  readonly name: string;
  readonly cause: (fake: FakeGpu, slot: number) => void;
  readonly code: string;
  readonly action: string;
  readonly restartHelps?: boolean;
}

/** What needs no time to be a fault; the others are in policy-faults.test.ts, where an hour is a moment. One GPU for each. */
const FAULTS: readonly Fault[] = [
  {
    name: 'uncorrectable ECC errors',
    cause: (fake, slot) => fake.set(slot, { eccVolatileUncorrected: 2 }),
    code: 'gpu.ecc_uncorrected',
    action: 'reset',
  },
  {
    name: 'the SRAM threshold',
    cause: (fake, slot) => fake.set(slot, { sramThresholdExceeded: 1 }),
    code: 'gpu.ecc_sram_threshold',
    action: 'contact',
  },
  {
    name: 'a pending row remap',
    cause: (fake, slot) => fake.set(slot, { remapPending: 1 }),
    code: 'gpu.remap_pending',
    action: 'reset',
  },
  {
    name: 'a failed row remap',
    cause: (fake, slot) => fake.set(slot, { remapFailed: 1 }),
    code: 'gpu.remap_failed',
    action: 'contact',
  },
  {
    name: 'a page to be retired',
    cause: (fake, slot) => fake.set(slot, { retiredPending: 1 }),
    code: 'gpu.retirement_pending',
    action: 'reset',
  },
  {
    name: 'field 230',
    cause: (fake, slot) => fake.set(slot, { recoveryAction: 2 }),
    code: 'gpu.recovery_required',
    action: 'reboot',
  },
  {
    name: 'a GPU that needs a reset',
    cause: (fake, slot) => fake.lose(slot, 16),
    code: 'gpu.reset_required',
    action: 'reset',
  },
  {
    name: 'poison as an event',
    cause: (fake, slot) => fake.event(slot, { type: EVENTS.fatalPoison }),
    code: 'gpu.fatal_poison',
    action: 'reset',
  },
  {
    name: '"unavailable" as an event',
    cause: (fake, slot) => fake.event(slot, { type: EVENTS.gpuUnavailable }),
    code: 'gpu.unavailable',
    action: 'reset',
  },
  {
    name: 'a GPU off the bus without any XID',
    cause: (fake, slot) => fake.lose(slot),
    code: 'gpu.lost',
    action: 'reboot',
  },
];
const HEALTHY = FAULTS.length;

interface Gpu {
  readonly index: number;
  readonly status: string;
  readonly findings: readonly {
    readonly code: string;
    readonly action: string;
    readonly restart_helps: boolean;
  }[];
}

describe('faults of a driver, through the addon', () => {
  it('are found on the GPU that has them, with what cures them, and nowhere else', async () => {
    await withFakeGpu({ gpus: FAULTS.length + 1 }, async (fake) => {
      const gpu = { library: fake.library, kmsg: fake.kmsg.path };
      await withHealth({ gpu, startupGraceMs: 0 }, async (_health, base) => {
        const gpus = async (): Promise<readonly Gpu[]> =>
          ((await (await fetch(`${base}/health`)).json()) as { gpus?: readonly Gpu[] }).gpus ?? [];
        await until(async () => (await gpus()).length === FAULTS.length + 1);
        expect((await gpus()).flatMap(({ findings }) => findings)).toEqual([]);

        for (const [slot, { cause }] of FAULTS.entries()) cause(fake, slot);
        // Any event has everything sampled at once, instead of within 15 s.
        fake.event(HEALTHY, { type: EVENTS.singleBitEcc });
        const found = await until(async () => {
          const current = await gpus();
          return current.filter(({ findings }) => findings.length > 0).length >= FAULTS.length && current;
        });
        const summary = found.map(({ index, findings }) => [
          FAULTS[index]?.name,
          ...findings.map(({ code, action, restart_helps }) => `${code} ${action} ${restart_helps}`),
        ]);
        const expected = FAULTS.map(({ name, code, action, restartHelps = false }) => [
          name,
          `${code} ${action} ${restartHelps}`,
        ]);
        expect(summary).toEqual([...expected, [undefined]]);
        expect((await fetch(`${base}/readyz`)).status).toBe(503);
      });
    });
  });

  it('of the driver itself: device access lost in the container, and a driver that is gone', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      const gpu = { library: fake.library, kmsg: fake.kmsg.path };
      await withHealth({ gpu, startupGraceMs: 0 }, async (_health, base) => {
        const reasons = async () => {
          const document = (await (await fetch(`${base}/health`)).json()) as {
            reasons: { code: string; action?: string }[];
          };
          // What else runs here may put the host under pressure.
          return document.reasons.filter(({ code }) => code.startsWith('gpu.'));
        };
        const has = (code: string, action: string) => async (): Promise<boolean> =>
          (await reasons()).some((reason) => reason.code === code && reason.action === action);
        await until(async () => (await (await fetch(`${base}/health`)).text()).includes('GPU available'));
        fake.loseAccess();
        await until(has('gpu.access_lost', 'restart'), 15_000);
        expect((await fetch(`${base}/readyz`)).status).toBe(200);
        fake.loseAccess(false);
        await until(async () => (await reasons()).length === 0, 15_000);
        fake.unload();
        await until(has('gpu.driver_unloaded', 'contact'), 15_000);
        expect((await fetch(`${base}/readyz`)).status).toBe(503);
        fake.load();
        await until(async () => !(await has('gpu.driver_unloaded', 'contact')()), 15_000);
      });
    });
  });
});
