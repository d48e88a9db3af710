import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { until, withHealth } from '../helpers/package.js';
import { type FakeGpu, withFakeGpu } from './fake/fake-gpu.js';

const optionsFor = (fake: FakeGpu, isolation: 'thread' | 'process') => ({
  gpu: { library: fake.library, kmsg: fake.kmsg.path, isolation },
  startupGraceMs: 0,
});
const status = async (url: string): Promise<number> => (await fetch(url)).status;

interface GpuDocument {
  status: string;
  build: { cuda_version?: string };
  components: { gpu?: { status: string; message: string; reason: string | null } };
  metrics: { gpu_memory_mb?: number };
  reasons: { code: string; action?: string; restart_helps?: boolean }[];
  gpus?: { index: number; uuid: string; used: boolean; status: string; findings: { code: string }[] }[];
}
const health = async (base: string): Promise<GpuDocument> =>
  (await (await fetch(`${base}/health`)).json()) as GpuDocument;

describe.each(['thread', 'process'] as const)('a server with GPUs, asked by a %s', (isolation) => {
  const options = (fake: FakeGpu) => optionsFor(fake, isolation);

  it('shows them in the documented keys', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      await withHealth(options(fake), async (_health, base) => {
        const document = await until(async () => {
          const current = await health(base);
          return current.components.gpu?.status === 'healthy' && current;
        });
        expect(document.components.gpu?.message).toBe('GPU available: CUDA devices 0, 1');
        expect(document.gpus).toHaveLength(2);
        expect(document.gpus?.[0]).toMatchObject({ index: 0, used: true, status: 'healthy', findings: [] });
        expect(document.build.cuda_version).toMatch(/^\d+\.\d+$/);
        expect(document.metrics.gpu_memory_mb).toBeGreaterThanOrEqual(0);
        expect(Object.keys(document.components).slice(0, 4)).toEqual([
          'model',
          'memory',
          'inference_engine',
          'gpu',
        ]);
      });
    });
  });

  it('is not ready after a fatal XID from the driver, names it, and tells the application', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      await withHealth(options(fake), async (running, base) => {
        await until(async () => (await health(base)).components.gpu?.status === 'healthy');
        await until(async () => (await status(`${base}/readyz`)) === 200);
        const failures: { restartHelps: boolean; findings: readonly { code: string }[] }[] = [];
        running.on('gpuFailure', (failure) => failures.push(failure));
        fake.xid(1, 79);
        await until(async () => (await status(`${base}/readyz`)) === 503);
        const document = await health(base);
        expect(document.components.gpu).toMatchObject({ status: 'unhealthy', reason: 'gpu.xid.79' });
        expect(document.reasons.find(({ code }) => code === 'gpu.xid.79')).toMatchObject({
          restart_helps: false,
        });
        expect(document.gpus?.map((gpu) => gpu.status)).toEqual(['healthy', 'unhealthy']);
        expect(await status(`${base}/livez`)).toBe(200);
        await until(() => failures.length > 0);
        expect(failures[0]).toMatchObject({ restartHelps: false });
        expect(failures[0]?.findings.map(({ code }) => code)).toContain('gpu.xid.79');
      });
    });
  });

  it('stays ready when the fault is on a GPU that it does not use', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      const { gpu, ...rest } = options(fake);
      await withHealth({ ...rest, gpu: { ...gpu, devices: [0] } }, async (_health, base) => {
        await until(async () => (await health(base)).components.gpu?.status === 'healthy');
        fake.xid(1, 79);
        const document = await until(async () => {
          const current = await health(base);
          return current.gpus?.[1]?.status === 'unhealthy' && current;
        });
        expect(document.gpus?.[1]).toMatchObject({ used: false });
        expect(document.components.gpu?.status).toBe('healthy');
        expect(await status(`${base}/readyz`)).toBe(200);
      });
    });
  });

  it('keeps answering while the driver hangs, and reports it', async () => {
    await withFakeGpu({ gpus: 1 }, async (fake) => {
      await withHealth(options(fake), async (_health, base) => {
        await until(async () => (await health(base)).components.gpu?.status === 'healthy');
        fake.block('nvmlDeviceGetMemoryInfo_v2');
        const document = await until(async () => {
          const current = await health(base);
          return current.reasons.some(({ code }) => code === 'gpu.driver_unresponsive') && current;
        }, 15_000);
        expect(document.components.gpu?.reason).toBe('gpu.driver_unresponsive');
        fake.release();
      });
    });
  });

  it('counts an error that the engine reports', async () => {
    await withFakeGpu({ gpus: 1 }, async (fake) => {
      await withHealth(options(fake), async (running, base) => {
        await until(async () => (await health(base)).components.gpu?.status === 'healthy');
        expect(running.gpu.reportError(new Error('socket hang up'))).toBeNull();
        expect(
          running.gpu.reportError(new Error('CUDA error: an illegal memory access was encountered')),
        ).toBe('illegal_access');
        await until(async () => (await status(`${base}/readyz`)) === 503);
        expect((await health(base)).reasons).toContainEqual(
          expect.objectContaining({ code: 'gpu.context_poisoned', restart_helps: true }),
        );
      });
    });
  });

  it('without a driver has no gpu component, and is unhealthy where one is required', async () => {
    const gpu = { library: '/nonexistent/libnvidia-ml.so.1', kmsg: '' };
    await withHealth({ gpu: { library: gpu.library } }, async (_health, base) => {
      await until(async () => (await status(`${base}/readyz`)) === 200);
      const document = await health(base);
      expect(document.components).not.toHaveProperty('gpu');
      expect(document).not.toHaveProperty('gpus');
    });
    await withHealth({ gpu: { library: gpu.library, mode: 'required' } }, async (_health, base) => {
      const document = await until(async () => {
        const current = await health(base);
        return current.components.gpu?.status === 'unhealthy' && current;
      });
      expect(document.components.gpu?.reason).toBe('gpu.none');
      expect(await status(`${base}/readyz`)).toBe(503);
    });
  });
});

describe('onGpuFailure', () => {
  const source = (fake: FakeGpu, extra: string): string => `
    const health = await startHealth({ port: 0, host: '127.0.0.1', onGpuFailure: 'shutdown', ${extra}
      gpu: { library: ${JSON.stringify(fake.library)}, kmsg: ${JSON.stringify(fake.kmsg.path)} } });
    setInterval(() => {}, 1000);
    say(health.listeners[0]);
  `;

  it.each([
    ['standard', 1],
    ['distinct', 74],
  ])('shutdown drains and exits, with exitCodes %s with %i', async (exitCodes, code) => {
    await withFakeGpu({ gpus: 1 }, async (fake) => {
      await withChild(source(fake, `exitCodes: '${exitCodes}',`), async (child) => {
        const { port } = await child.message<{ port: number }>();
        const base = `http://127.0.0.1:${port}`;
        await until(async () => (await health(base)).components.gpu?.status === 'healthy');
        fake.xid(0, 79);
        expect(await child.exit(), child.stderr()).toBe(code);
      });
    });
  });
});
