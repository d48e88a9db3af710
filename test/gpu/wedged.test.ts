import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { sleep, until } from '../helpers/package.js';
import { withFakeGpu } from './fake/fake-gpu.js';
import { ISOLATIONS, inTime, server } from './wedged-server.js';

/** Where the driver hangs: every thread that enters it, and each of its tiers. */
const PLACES = [
  'nvmlInit_v2',
  'nvmlDeviceGetMemoryInfo_v2',
  'nvmlDeviceGetFieldValues',
  'nvmlDeviceGetComputeRunningProcesses_v3',
  'nvmlEventSetWait_v2',
] as const;

const DEADLINE_MS = 5000;
const INIT_DEADLINE_MS = 20_000;

interface Seen {
  /** How long the driver had been stuck, by its own account, when the finding was seen. */
  readonly stuckMs: number;
  readonly probes: number;
  readonly slowestMs: number;
  readonly status: number;
  readonly message: string;
}

interface Document {
  readonly reasons: readonly { readonly code: string; readonly message: string; readonly since: string }[];
}

/** Probes until the finding is there. Readiness is asked first, so that nobody can say that it lags behind the document. */
async function watch(port: number, limitMs: number): Promise<Seen> {
  const base = `http://127.0.0.1:${port}`;
  const startMs = performance.now();
  let probes = 0;
  let slowestMs = 0;
  for (;;) {
    const askedMs = performance.now();
    const { status } = await fetch(`${base}/readyz`);
    slowestMs = Math.max(slowestMs, performance.now() - askedMs);
    probes += 1;
    const { reasons } = (await (await fetch(`${base}/health`)).json()) as Document;
    const found = reasons.find(({ code }) => code === 'gpu.driver_unresponsive');
    const passedMs = performance.now() - startMs;
    if (found !== undefined && status === 503)
      return {
        stuckMs: Date.now() - Date.parse(found.since),
        probes,
        slowestMs,
        status,
        message: found.message,
      };
    if (passedMs > limitMs) throw new Error(`no finding within ${limitMs} ms, readiness is ${status}`);
    await sleep(50);
  }
}

describe.each(ISOLATIONS)('a server whose driver hangs, asked by a %s', (isolation) => {
  it.concurrent.each(PLACES)(
    'answers probes, and says so within the deadline: %s',
    async (place) => {
      await withFakeGpu({ gpus: 2 }, async (fake) => {
        fake.block(place);
        const startMs = performance.now();
        await withChild(
          server(fake, isolation),
          async (child) => {
            const port = await child.message<number>();
            await until(() => fake.blocked(place) > 0);
            const deadlineMs = place === 'nvmlInit_v2' ? INIT_DEADLINE_MS : DEADLINE_MS;
            const seen = await watch(port, deadlineMs + 25_000);
            expect(seen.message).toContain(place);
            expect(performance.now() - startMs).toBeGreaterThan(deadlineMs);
            expect(seen.stuckMs).toBeGreaterThanOrEqual(deadlineMs - 50);
            expect(seen.stuckMs).toBeLessThan(deadlineMs + 20_000);
            expect(seen.probes).toBeGreaterThan(3);
            expect(seen.slowestMs).toBeLessThan(15_000);

            // The kernel log does not go through NVML.
            fake.kmsg.write('NVRM: Xid (PCI:0000:0f:00): 79, pid=1, name=x, GPU has fallen off the bus.');
            const base = `http://127.0.0.1:${port}`;
            await until(async () =>
              /gpu_xid_total\{[^}]*xid="79"/.test(await (await fetch(`${base}/metrics`)).text()),
            );
            expect((await fetch(`${base}/livez`)).status).toBe(200);

            child.process.kill('SIGTERM');
            expect(await inTime(child.exit())).toEqual([0, true]);
          },
          { killAfterMs: 80_000 },
        );
      });
    },
    90_000,
  );

  it('is ready again once the driver answers', async () => {
    await withFakeGpu({}, async (fake) => {
      await withChild(server(fake, isolation), async (child) => {
        const port = await child.message<number>();
        fake.block('nvmlDeviceGetMemoryInfo_v2');
        await watch(port, DEADLINE_MS + 25_000);
        fake.release();
        await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200);
      });
    });
  });
});
