// The fake driver for workers of a fleet under test.
import { createFakeGpu } from '../fake-gpu/fake-gpu.mjs';

export function fakeGpu(_name, gpus) {
  const fake = createFakeGpu({ gpus });
  return {
    env: {
      LD_LIBRARY_PATH: fake.folder,
      FAKE_NVML_CONTROL: fake.control,
      INFERENCE_HEALTH_GPU_KMSG: fake.kmsg.path,
    },
    xid: (gpu, xid) => fake.xid(gpu, xid),
    close: () => fake.destroy(),
  };
}
