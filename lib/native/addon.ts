import type { NativeGpu } from './gpu-addon.js';
import type { NativeSignals } from './signal-addon.js';

/** The addon's exports, 1:1. All times are milliseconds of CLOCK_MONOTONIC unless a name says otherwise. */
export interface NativeAddon {
  /** Bumped when this interface changes; the loader refuses another number. */
  readonly abi: number;
  /** Slot index of every field of every section, for the mirror test. Slots are 8-byte doubles. */
  layout(): {
    readonly [section: string]: {
      readonly slots: number;
      readonly fields: { readonly [field: string]: number };
    };
  };
  /** Starts the one sampler thread of this process; a second call changes nothing and returns false. The first sample is complete when this returns. */
  startSampler(options: { root: string; hz: number; perCore: boolean }): boolean;
  /** Stops and joins the sampler thread. The last sample stays readable. */
  stopSampler(): void;
  /** Copies a section into `into` (length ≥ its slots); returns its version, which changes with every write; 0 = never written. */
  read(section: 'host' | 'cores', into: Float64Array): number;
  /**
   * The probe path's one call: into[0] = now, into[1] = version of `host`, into[2] = milliseconds for which the monitored
   * loop has been busy without turning (0 when idle or not monitored), into[3] = 1 if that loop is monitored,
   * into[4] = wall clock in milliseconds since the epoch; into[5], if there is one, = version of the GPU part,
   * into[6], if there is one, = when a watched signal came, 0 = none has.
   */
  poll(loop: number, into: Float64Array): void;
  /** Monitors the loop of the calling environment; returns its id (≥ 0), or −1 when all slots are taken. */
  monitorLoop(): number;
  unmonitorLoop(id: number): void;
  /** Copies the statistics of a monitored loop (section `loop`); false when that id is not monitored. */
  readLoop(id: number, into: Float64Array): boolean;
  /** CLOCK_MONOTONIC in milliseconds, the same on every thread. */
  now(): number;
  /** Kernel thread id of the caller. */
  threadId(): number;
  /** Absent in the JavaScript fallback. */
  readonly gpu?: NativeGpu;
  /** Likewise. */
  readonly signal?: NativeSignals;
}
