import { describe, expect, it } from 'vitest';
import type { NativeGpu } from '../../lib/native/gpu-addon.js';
import { GPU, GPU_FIELDS, GPU_STATES, XID_FIELDS } from '../../lib/native/gpu-layout.js';
import { createGpuWatch } from '../../lib/probe/gpu-watch.js';

const config = { mode: 'auto' } as Parameters<typeof createGpuWatch>[1];

/** What the GPU threads have published, to be changed. */
function createThreads() {
  const global = new Float64Array(GPU_FIELDS.length);
  global[GPU.state] = GPU_STATES.indexOf('ok');
  const xids = new Float64Array(XID_FIELDS.length).fill(Number.NaN);
  let version = 1;
  const sections: Record<string, Float64Array> = { gpu: global, xids };
  const native = {
    readGpu(section: string, into: Float64Array): number {
      into.fill(Number.NaN);
      into.set(sections[section] ?? []);
      return version;
    },
    gpuVersion: () => version,
  } as unknown as NativeGpu;
  return {
    native,
    sample(): void {
      version += 1;
    },
    xid(): void {
      version += 1;
      xids.fill(79);
    },
  };
}

describe('a look at the GPUs between two steps', () => {
  it('sees nothing before there are GPUs', () => {
    const threads = createThreads();
    const watch = createGpuWatch(threads.native, config, () => ({
      step: () => null,
      report: () => undefined,
    }));
    expect(watch.glance()).toBe(false);
    threads.xid();
    expect(watch.glance()).toBe(false);
  });

  it('makes a step due for a fault, and for no sample', () => {
    const threads = createThreads();
    const watch = createGpuWatch(threads.native, config, () => ({
      step: () => null,
      report: () => undefined,
    }));
    watch.step(0);
    // The first comparison has nothing to compare with.
    threads.sample();
    watch.glance();
    watch.step(1);
    expect(watch.glance()).toBe(false);
    threads.sample();
    expect(watch.glance()).toBe(false);
    expect(watch.isDue(threads.native.gpuVersion(), 2)).toBe(false);
    threads.xid();
    expect(watch.glance()).toBe(true);
    expect(watch.glance()).toBe(false);
    expect(watch.isDue(threads.native.gpuVersion(), 3)).toBe(true);
    watch.step(3);
    expect(watch.isDue(threads.native.gpuVersion(), 4)).toBe(false);
  });
});
