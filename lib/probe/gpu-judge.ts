import type { Config } from '../config/options.js';
import { gpuComponent } from '../gpu/component.js';
import { leakReport } from '../gpu/leak.js';
import { applyGpu, type GpuEvent, initialGpuState, stepGpu } from '../gpu/policy.js';
import { DEFAULT_GPU_POLICY, type GpuPolicy } from '../gpu/policy-options.js';
import type { NativeGpu } from '../native/gpu-addon.js';
import { createGpuReader } from '../native/gpu-reader.js';
import type { GpuReport } from '../status/types.js';
import type { GpuJudge } from './gpu-watch.js';

function policyOf(config: Config['gpu']): GpuPolicy {
  return {
    ...DEFAULT_GPU_POLICY,
    xids: config.xids,
    findings: config.findings,
    mode: config.mode === 'required' ? 'required' : 'auto',
    visible: {
      devices: config.devices ?? undefined,
      cudaVisibleDevices: config.cudaVisibleDevices ?? undefined,
      cudaDeviceOrder: config.cudaDeviceOrder ?? undefined,
      nvidiaVisibleDevices: config.nvidiaVisibleDevices ?? undefined,
    },
  };
}

/** What is known about the work of the process. */
export interface Load {
  /** Requests in flight now, null where none is tracked: for the trend of a leak. */
  readonly inFlight: number | null;
  /** Generated since the start, null where none is counted: whether the engine goes on without the driver's answers. */
  readonly tokens: number | null;
}

export function createGpuJudge(native: NativeGpu, config: Config, load: () => Load): GpuJudge {
  const reader = createGpuReader(native);
  let state = initialGpuState(policyOf(config.gpu));

  return {
    step(nowMs): GpuReport | null {
      state = applyGpu(state, { type: 'load', atMs: nowMs, ...load() });
      const stepped = stepGpu(state, { type: 'facts', facts: reader.read(nowMs) });
      state = stepped.state;
      const component = gpuComponent(state, stepped.findings);
      if (component === null) return null;
      const { status, reason, message, restartHelps } = component;
      const ignores = config.onGpuFailure === 'ignore';
      const gating = component.gating && !ignores;
      const findings = ignores
        ? stepped.findings.map((finding) => ({ ...finding, gating: false }))
        : stepped.findings;
      const devices = Object.values(state.devices).map(({ facts }) => ({
        facts,
        used: state.selection.used.has(facts.uuid),
      }));
      const used = Object.values(state.devices).filter(
        ({ facts }) => !facts.isMig && state.selection.used.has(facts.uuid),
      );
      const leaking = used.find(({ leak }) => leak.sinceMs !== null) ?? used[0];
      const { driverVersion, cudaVersion } = reader.text();
      return {
        status,
        reason,
        message,
        atMs: nowMs,
        gating,
        restartHelps,
        findings,
        devices,
        driverVersion: driverVersion || null,
        cudaVersion: cudaVersion || null,
        leak: leaking === undefined ? null : leakReport(leaking.leak, state.policy.leak),
      };
    },
    report(event: GpuEvent) {
      state = applyGpu(state, event);
    },
  };
}
