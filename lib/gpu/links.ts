import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';
import { type Hold, QUIET, type Sustained, stepSustained } from './sustained.js';
import { NO_RATE, stepWindow, type WindowRate, windowRate } from './window-rate.js';

/** NVLink and PCIe. */
export interface Links {
  /** The most links that this GPU ever had up. A card without bridges has all of them down and is fine. */
  readonly mostUp: number;
  readonly down: Sustained;
  readonly errors: WindowRate;
  readonly erring: Sustained;
  readonly narrow: Sustained;
  readonly replays: WindowRate;
  readonly replaying: Sustained;
}

export const NO_LINKS: Links = {
  mostUp: 0,
  down: QUIET,
  errors: NO_RATE,
  erring: QUIET,
  narrow: QUIET,
  replays: NO_RATE,
  replaying: QUIET,
};

const GAP_MS = 120_000;
const MINUTE_MS = 60_000;
const FABRIC_COMPLETED = 3;

/** `peersUp`: the most links that a GPU of the same model has up; on a fabric, all links are meant to be up. */
export function stepLinks(state: Links, device: GpuDeviceFacts, peersUp: number, policy: GpuPolicy): Links {
  const { nvlinkCount, nvlinkDown, mediumAtMs, pcieWidth, pcieMaxWidth } = device;
  const up = nvlinkCount === null || nvlinkDown === null ? null : nvlinkCount - nvlinkDown;
  const mostUp = Math.max(state.mostUp, up ?? 0);
  const onFabric = (device.fabricState ?? 0) >= FABRIC_COMPLETED;
  const expected = onFabric ? (nvlinkCount ?? 0) : Math.max(mostUp, peersUp);
  const errors = stepWindow(state.errors, device.nvlinkErrors, mediumAtMs, policy.nvlink.windowMs);
  const replays = stepWindow(state.replays, device.pcieReplay, mediumAtMs, policy.pcie.windowMs);
  const hold = (enterMs: number, leaveMs: number): Hold => ({ enterMs, leaveMs, gapMs: GAP_MS });
  return {
    mostUp,
    down: stepSustained(
      state.down,
      up === null ? null : { enter: up < expected, leave: up >= expected },
      mediumAtMs,
      hold(policy.nvlink.downMs, policy.nvlink.downMs),
    ),
    errors,
    erring: stepRate(state.erring, errors, policy.nvlink.errorsPerMinute, policy.nvlink.windowMs, mediumAtMs),
    narrow: stepSustained(
      state.narrow,
      pcieWidth === null || pcieMaxWidth === null
        ? null
        : { enter: pcieWidth < pcieMaxWidth, leave: pcieWidth >= pcieMaxWidth },
      mediumAtMs,
      hold(policy.pcie.widthMs, 0),
    ),
    replays,
    replaying: stepRate(
      state.replaying,
      replays,
      policy.pcie.replaysPerMinute,
      policy.pcie.windowMs,
      mediumAtMs,
    ),
  };
}

function stepRate(
  state: Sustained,
  window: WindowRate,
  perMinute: number,
  windowMs: number,
  atMs: number | null,
): Sustained {
  const rate = windowRate(window, windowMs);
  const now = rate === null ? null : rate * MINUTE_MS;
  return stepSustained(
    state,
    now === null ? null : { enter: now >= perMinute, leave: now < perMinute / 10 },
    atMs,
    { enterMs: 0, leaveMs: 0, gapMs: windowMs },
  );
}

/** Links that this GPU has up now; 0 where it has none. */
export function linksUp(device: GpuDeviceFacts): number {
  return (device.nvlinkCount ?? 0) - (device.nvlinkDown ?? 0);
}

export function judgeLinks(state: Links, device: GpuDeviceFacts, policy: GpuPolicy): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  const add = (held: Sustained, code: string, action: RawFinding['action'], message: string): void => {
    if (held.active) findings.push({ code, severity: 'degraded', action, message, sinceMs: held.sinceMs });
  };
  const { nvlinkCount, pcieWidth, pcieMaxWidth } = device;
  const perMinute = (window: WindowRate, windowMs: number): string =>
    ((windowRate(window, windowMs) ?? 0) * MINUTE_MS).toFixed(0);
  add(state.down, 'gpu.nvlink_down', 'reset', `NVLink: ${linksUp(device)} of ${nvlinkCount ?? 0} links up`);
  add(
    state.erring,
    'gpu.nvlink_errors',
    'contact',
    `NVLink: ${perMinute(state.errors, policy.nvlink.windowMs)} errors per minute`,
  );
  add(state.narrow, 'gpu.pcie_width', 'contact', `PCIe: ${pcieWidth ?? 0} of ${pcieMaxWidth ?? 0} lanes`);
  add(
    state.replaying,
    'gpu.pcie_replays',
    'contact',
    `PCIe: ${perMinute(state.replays, policy.pcie.windowMs)} replays per minute`,
  );
  return findings;
}
