import type { Config } from '../config/options.js';
import type { GpuEvent } from '../gpu/policy.js';
import type { NativeGpu } from '../native/gpu-addon.js';
import { GPU, GPU_FIELDS, GPU_STATES, HELPER_STATES } from '../native/gpu-layout.js';
import type { StatusEvent } from '../status/events.js';
import type { GpuReport } from '../status/types.js';
import { createEngineEvidence } from './gpu-engine.js';
import { createGpuNews } from './gpu-news.js';

/** The GPUs as the probe thread watches them: steps of the pure policy over what the GPU threads publish. */
export interface GpuWatch {
  /** True when a fault may have come or gone, or two seconds have passed since the last step. */
  isDue(version: number, nowMs: number): boolean;
  step(nowMs: number): GpuReport | null;
  /**
   * Whether a fault may have come or gone since the last look: then a step is due. For somebody who looks often: between two
   * samples it asks the addon for a version and compares that with the last one (0.1 µs). After each sample, so once a second,
   * it copies what the GPU threads have published and compares what can be a fault (some 10 µs with eight GPUs).
   */
  glance(): boolean;
  /** There are GPUs to judge. */
  isWatching(): boolean;
  /** An error of the engine, or its end: see `GpuEvent`. */
  report(event: GpuEvent): void;
  /** Takes what an event of the status says about the engine as evidence about its GPU work. */
  observe(event: StatusEvent, nowMs: number): void;
}

/** What the policy side offers; loaded with the first sign of a driver. */
export interface GpuJudge {
  step(nowMs: number): GpuReport | null;
  report(event: GpuEvent): void;
}

/** Twice the fast tier: nothing that only time changes is decided by a second. A step costs half a millisecond with eight GPUs. */
const TICK_MS = 2000;

/**
 * On most machines there is no GPU: then nobody glances, every two seconds one section is read for signs of a driver, and the
 * policy with its catalogue is never loaded, which would add milliseconds to every start.
 */
export function createGpuWatch(native: NativeGpu, config: Config['gpu'], load: () => GpuJudge): GpuWatch {
  const global = new Float64Array(GPU_FIELDS.length);
  let judge: GpuJudge | null = null;
  let seenVersion = Number.NaN;
  let dueMs = 0;
  const evidenceOf = createEngineEvidence();
  let hasNews: (() => boolean) | null = null;

  function hasDriver(): boolean {
    native.readGpu('gpu', global);
    const helper = HELPER_STATES[global[GPU.helperState] ?? 0];
    if (helper === 'ended' || helper === 'cannot_start') return true;
    const state = GPU_STATES[global[GPU.state] ?? 0];
    // A search for the driver that is not over says nothing yet; `none` is news only where a GPU is required.
    if (state === undefined || state === 'off' || state === 'starting') return config.mode === 'required';
    return state !== 'none' || config.mode === 'required';
  }

  function present(): GpuJudge | null {
    if (judge === null && hasDriver()) judge = load();
    return judge;
  }

  function isNews(version: number): boolean {
    if (version === seenVersion) return false;
    seenVersion = version;
    if (judge === null) return true;
    hasNews ??= createGpuNews(native);
    return hasNews();
  }

  return {
    isDue: (version, nowMs) => nowMs >= dueMs || isNews(version),
    glance() {
      if (judge === null || !isNews(native.gpuVersion())) return false;
      dueMs = 0;
      return true;
    },
    step(nowMs) {
      seenVersion = native.gpuVersion();
      dueMs = nowMs + TICK_MS;
      return present()?.step(nowMs) ?? null;
    },
    isWatching: () => judge !== null,
    report(event) {
      // An out-of-memory error of an engine counts even where NVML cannot be had.
      judge ??= load();
      judge.report(event);
      dueMs = 0;
    },
    observe(event, nowMs) {
      const evidence = evidenceOf(event, nowMs);
      if (evidence === null || judge === null) return;
      judge.report(evidence);
      dueMs = 0;
    },
  };
}
