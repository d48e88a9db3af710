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
  /**
   * What the engine's CUDA context met is over: its process was started anew, or it was given up with all its memory. Ends
   * `gpu.context_poisoned`, `gpu.oom`, `gpu.engine_without_gpu` and this process's application XIDs, and no fault of the
   * GPU itself. Not to be called because requests complete: in the process that met the fault no later CUDA call succeeds,
   * and what completes did so without the GPU. `health.engine.ready()` after `failed()` or `loading()` says the same.
   */
  reportRecovered(): void;
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
    reportRecovered: () => send({ type: 'engine-recovered', atMs: now() }),
    release: () => native?.releaseGpu(),
    acquire: () => native?.acquireGpu(),
  };
}
