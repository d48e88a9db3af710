import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadNative } from '../../lib/native/loader.js';
import { withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';
import { type FakeGpu, withFakeGpu } from './fake/fake-gpu.js';

interface Document {
  readonly components: { readonly gpu?: { readonly status: string } };
  readonly reasons: readonly { readonly code: string; readonly restart_helps?: boolean }[];
}

const server = `
  const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0 });
  setInterval(() => {}, 1000);
  say(health.listeners[0].port);
`;
const environment = (fake: FakeGpu, more: Record<string, string>) => ({
  INFERENCE_HEALTH_GPU_LIBRARY: fake.library,
  INFERENCE_HEALTH_GPU_KMSG: fake.kmsg.path,
  ...more,
});
const health = async (port: number): Promise<Document> =>
  (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as Document;
const isHealthy = async (port: number): Promise<boolean> =>
  (await health(port)).components.gpu?.status === 'healthy';
const reasons = async (port: number): Promise<string[]> =>
  (await health(port)).reasons.map(({ code }) => code);

/** The helper of a process, by /proc: its parent says whose it is. */
function helpersOf(parent: number | undefined): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const isChild = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
        return isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('inference-health-gpu');
      } catch {
        return false;
      }
    });
}

/** The helper's program, on a file of its own, as a sidecar container runs it. */
async function withSidecar(
  fake: FakeGpu,
  use: (segment: string, sidecar: ChildProcess) => Promise<void>,
): Promise<void> {
  const segment = join(fake.folder, 'segment');
  const program = join(loadNative().path!, '..', 'inference-health-gpu');
  const flags = ['--file', segment, '--library', fake.library, '--kmsg', fake.kmsg.path];
  const sidecar = spawn(program, flags, { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await use(segment, sidecar);
  } finally {
    if (sidecar.exitCode === null && sidecar.kill('SIGKILL')) await once(sidecar, 'exit');
  }
}

describe('gpu.isolation: process', () => {
  it('asks the driver in a helper process, which is started anew when it ends', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      const env = environment(fake, { INFERENCE_HEALTH_GPU_ISOLATION: 'process' });
      await withChild(
        server,
        async (child) => {
          const port = await child.message<number>();
          await until(() => isHealthy(port));
          const [helper] = helpersOf(child.process.pid);
          expect(helper).toBeDefined();
          expect(readFileSync(`/proc/${child.process.pid}/maps`, 'utf8')).not.toContain('libnvidia-ml');
          process.kill(helper!, 'SIGKILL');
          await until(async () => (await reasons(port)).includes('gpu.helper_failed'));
          expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
          await until(() => isHealthy(port));
          const [next] = helpersOf(child.process.pid);
          expect(next).not.toBe(helper);
          child.process.kill('SIGKILL');
          await child.exit();
          await until(() => helpersOf(child.process.pid).length === 0);
        },
        { env },
      );
    });
  });

  it('follows a helper that runs elsewhere, and does not end it', async () => {
    await withFakeGpu({ gpus: 1 }, async (fake) => {
      await withSidecar(fake, async (segment, sidecar) => {
        const env = environment(fake, {
          INFERENCE_HEALTH_GPU_ISOLATION: 'process',
          INFERENCE_HEALTH_GPU_SEGMENT: segment,
        });
        await withChild(
          server,
          async (child) => {
            const port = await child.message<number>();
            await until(() => isHealthy(port));
            expect(helpersOf(child.process.pid)).toEqual([]);
            fake.xid(0, 79);
            await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 503);
            expect(await reasons(port)).toContain('gpu.xid.79');
            child.process.kill('SIGKILL');
            await child.exit();
          },
          { env },
        );
        expect(sidecar.exitCode).toBeNull();
        sidecar.kill('SIGTERM');
        expect(await once(sidecar, 'exit')).toEqual([0, null]);
      });
    });
  });
});

describe('a restart that would hang', () => {
  it.each([
    ['thread', true],
    ['process', null],
  ] as const)('is reported where the driver is asked by a %s', async (isolation, isBlocked) => {
    await withFakeGpu({ gpus: 1 }, async (fake) => {
      await withChild(
        server,
        async (child) => {
          const port = await child.message<number>();
          await until(() => isHealthy(port));
          fake.block('nvmlDeviceGetMemoryInfo_v2');
          await until(async () => (await reasons(port)).includes('gpu.driver_unresponsive'), 15_000);
          // A container's processes keep it from ending; whether this is one decides for the helper.
          const isInitial = statSync('/proc/self/ns/pid').ino === 0xeffffffc;
          expect((await reasons(port)).includes('gpu.restart_blocked')).toBe(isBlocked ?? !isInitial);
          fake.release();
          await until(() => isHealthy(port));
          expect(await reasons(port)).not.toContain('gpu.restart_blocked');
        },
        { env: environment(fake, { INFERENCE_HEALTH_GPU_ISOLATION: isolation }) },
      );
    });
  });
});
