import { classifyGpuError, type GpuErrorKind } from '../gpu/app-error.js';
import type { GpuEvent } from '../gpu/policy.js';
import type { NativeGpu } from '../native/gpu-addon.js';

/** `health.gpu` */
export interface GpuControl {
  /**
   * Classifies an error of the engine (CUDA out of memory, illegal access, device assert, ECC …) and counts it against
   * the GPU that it names. Returns what it is, or null when it is not about a GPU: then nothing changes.
   */
  reportError(error: unknown): GpuErrorKind | null;
  /** Gives all driver handles back, for `nvidia-smi -r` or an update of the driver; the component is `unknown` until `acquire`. */
  release(): void;
  acquire(): void;
}

export function createGpuControl(
  native: NativeGpu | null,
  send: (event: GpuEvent) => void,
  now: () => number,
): GpuControl {
  return {
    reportError(error) {
      const found = classifyGpuError(error);
      if (found === null) return null;
      const { kind, message, ordinal } = found;
      send({ type: 'engine-error', atMs: now(), kind, message, ordinal });
      return kind;
    },
    release: () => native?.releaseGpu(),
    acquire: () => native?.acquireGpu(),
  };
}
