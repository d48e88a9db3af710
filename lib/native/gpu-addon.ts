/** How the GPU part is started. Times are milliseconds. */
export interface NativeGpuOptions {
  /** Prefix of /proc, /sys and /dev; '/' for the real ones. */
  readonly root?: string;
  /** Path of libnvidia-ml.so.1; without it, it is searched for where drivers put it. */
  readonly library?: string;
  /** The kernel log; default `<root>/dev/kmsg`, '' for none. */
  readonly kmsg?: string;
  /** After so long without an answer a driver call counts as stuck; at least 10, default 5000. */
  readonly deadlineMs?: number;
  /** The same for initialising NVML and its GPUs, which may take seconds each; default 4 × `deadlineMs`. */
  readonly initDeadlineMs?: number;
  /** Periods of the three tiers; at least 10; default 1000, 15000, 60000. A tier that takes more than 2 % of a core backs off. */
  readonly fastMs?: number;
  readonly mediumMs?: number;
  readonly slowMs?: number;
  /** Where NVML is called: by threads of this process (default) or of a helper process; readers see no difference. */
  readonly isolation?: 'thread' | 'process';
  /** Path of the helper's program; default `inference-health-gpu` beside the addon. */
  readonly helper?: string;
  /** With `process`: a file that a helper writes which somebody else runs; none is started then. */
  readonly segment?: string;
}

export type NativeGpuSection = 'gpu' | 'gpus' | 'xids' | 'gpuCalls';

export interface NativeGpuText {
  /** The empty string where it is unknown. */
  readonly driverVersion: string;
  readonly nvmlVersion: string;
  /** For example `12.4`. */
  readonly cudaVersion: string;
  readonly libraryPath: string;
  readonly gpus: readonly NativeGpuDevice[];
  readonly version: number;
}

export interface NativeGpuDevice {
  /** Row of section `gpus`; stays the same as long as the process asks. */
  readonly slot: number;
  readonly uuid: string;
  readonly name: string;
  /** For example `00000000:3B:00.0`. */
  readonly pciBusId: string;
  readonly isMig: boolean;
  /** Slot of a MIG device's GPU, −1 for a GPU. */
  readonly parentSlot: number;
}

/** The addon's `gpu` exports, 1:1. Nothing here enters the driver on the calling thread. */
export interface NativeGpu {
  layout(): {
    readonly [Section in NativeGpuSection]: {
      readonly slots: number;
      /** Slots of one row. */
      readonly stride: number;
      readonly fields: { readonly [field: string]: number };
    };
  } & { readonly calls: readonly string[]; readonly nvlinkUnits: readonly string[] };
  /**
   * Starts the GPU threads of this process, or its helper process, and returns at once; false when they run already.
   * Throws RangeError for a bad time or isolation.
   */
  startGpu(options: NativeGpuOptions): boolean;
  /** Ends them, after at most a second; a thread or helper that is stuck in the driver is left behind and writes nothing any more. */
  stopGpu(): void;
  /** Gives every NVML handle back, for a reset of a GPU or an update of the driver; complete when the state is `released`. */
  releaseGpu(): void;
  /** Takes them again. */
  acquireGpu(): void;
  /** Has the fast and medium tiers sampled now instead of when they are due. */
  refreshGpu(): void;
  /** Copies a section into `into` (length ≥ its slots); returns the version of the GPU part. */
  readGpu(section: NativeGpuSection, into: Float64Array): number;
  /** Allocates; for when the version has changed. */
  gpuText(): NativeGpuText;
  /** Changes with everything that a finding may depend on; also in slot 5 of `poll` where its array has one. */
  gpuVersion(): number;
}
