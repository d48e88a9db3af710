import { createFakeGpu, type FakeGpu, type FakeGpuOptions } from '../../../scripts/lib/fake-gpu/fake-gpu.mjs';

export { EVENTS } from '../../../scripts/lib/fake-gpu/fake-gpu.mjs';
export type { FakeGpu, FakeGpuOptions };

/**
 * A fake driver with so many GPUs, handed to `use`; at the end blocked calls are let go and its folder is removed. Load
 * `fake.library`; nothing in the environment is needed.
 */
export async function withFakeGpu<T>(
  options: FakeGpuOptions,
  use: (fake: FakeGpu) => Promise<T> | T,
): Promise<T> {
  const fake = createFakeGpu(options);
  try {
    return await use(fake);
  } finally {
    fake.destroy();
  }
}
