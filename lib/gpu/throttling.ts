import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy, ThrottlePolicy } from './policy-options.js';
import { QUIET, type Sustained, stepSustained } from './sustained.js';
import { NO_RATE, stepWindow, type WindowRate, windowRate } from './window-rate.js';

/** Time spent throttled, from the driver's nanosecond counters: a snapshot of the reason bits says nothing about how long. */
export interface Throttling {
  readonly thermal: Channel;
  readonly hardware: Channel;
  readonly power: Channel;
  /** Milliseconds weighted by power over limit, as a counter. */
  readonly drawn: WindowRate;
  readonly drawnTotal: number;
  readonly drawnAtMs: number | null;
}

interface Channel {
  readonly window: WindowRate;
  readonly held: Sustained;
}

const NO_CHANNEL: Channel = { window: NO_RATE, held: QUIET };

export const NO_THROTTLING: Throttling = {
  thermal: NO_CHANNEL,
  hardware: NO_CHANNEL,
  power: NO_CHANNEL,
  drawn: NO_RATE,
  drawnTotal: 0,
  drawnAtMs: null,
};

const NS_PER_MS = 1_000_000;

export function stepThrottling(state: Throttling, device: GpuDeviceFacts, policy: GpuPolicy): Throttling {
  const { mediumAtMs } = device;
  const power = stepDrawn(state, device, policy);
  return {
    ...power,
    thermal: stepChannel(state.thermal, device.thermalViolationNs, mediumAtMs, policy.thermal, true),
    hardware: stepChannel(state.hardware, device.hwSlowdownNs, mediumAtMs, policy.hardwareSlowdown, true),
    power: stepChannel(
      state.power,
      device.powerViolationNs,
      mediumAtMs,
      policy.power,
      !isAtLimit(power, device, policy),
    ),
  };
}

function stepChannel(
  channel: Channel,
  counterNs: number | null,
  atMs: number | null,
  policy: ThrottlePolicy,
  counts: boolean,
): Channel {
  const window = stepWindow(channel.window, counterNs, atMs, policy.windowMs);
  if (window === channel.window) return channel;
  const rate = windowRate(window, policy.windowMs);
  const ratio = rate === null ? null : rate / NS_PER_MS;
  const held = stepSustained(
    channel.held,
    ratio === null
      ? null
      : { enter: counts && ratio >= policy.enterRatio, leave: !counts || ratio <= policy.leaveRatio },
    atMs,
    // The window itself is the hysteresis over time.
    { enterMs: 0, leaveMs: 0, gapMs: policy.windowMs },
  );
  return { window, held };
}

/** Mean of power over limit in the window. */
function stepDrawn(state: Throttling, device: GpuDeviceFacts, policy: GpuPolicy): Throttling {
  const { powerMw, powerLimitMw, fastAtMs } = device;
  if (powerMw === null || powerLimitMw === null || powerLimitMw <= 0 || fastAtMs === null) return state;
  if (state.drawnAtMs !== null && fastAtMs <= state.drawnAtMs) return state;
  const elapsed = state.drawnAtMs === null ? 0 : Math.min(fastAtMs - state.drawnAtMs, policy.power.windowMs);
  const drawnTotal = state.drawnTotal + elapsed * (powerMw / powerLimitMw);
  return {
    ...state,
    drawnTotal,
    drawnAtMs: fastAtMs,
    drawn: stepWindow(state.drawn, drawnTotal, fastAtMs, policy.power.windowMs),
  };
}

/**
 * Whoever is held back at the limit draws the limit meanwhile: the mean is then at least the throttled part of the time.
 * Without a power reading nothing tells a brake from a limit that is reached.
 */
function isAtLimit(state: Throttling, device: GpuDeviceFacts, policy: GpuPolicy): boolean {
  const { windowMs, belowLimitRatio } = policy.power;
  const drawn = windowRate(state.drawn, windowMs);
  const window = stepWindow(state.power.window, device.powerViolationNs, device.mediumAtMs, windowMs);
  const throttled = (windowRate(window, windowMs) ?? 0) / NS_PER_MS;
  return drawn === null || drawn >= throttled * belowLimitRatio;
}

export function judgeThrottling(state: Throttling, policy: GpuPolicy): readonly RawFinding[] {
  const findings: RawFinding[] = [];
  const add = (channel: Channel, windowMs: number, code: string, what: string): void => {
    if (!channel.held.active) return;
    const percent = ((windowRate(channel.window, windowMs) ?? 0) / NS_PER_MS) * 100;
    findings.push({
      code,
      severity: 'degraded',
      action: 'watch',
      message: `${what} during ${percent.toFixed(0)}% of the last ${Math.round(windowMs / 60_000)} min`,
      sinceMs: channel.held.sinceMs,
    });
  };
  add(state.thermal, policy.thermal.windowMs, 'gpu.thermal_throttling', 'Slowed down by heat');
  add(
    state.hardware,
    policy.hardwareSlowdown.windowMs,
    'gpu.hardware_slowdown',
    'Slowed down by the hardware (power brake or overheating)',
  );
  add(
    state.power,
    policy.power.windowMs,
    'gpu.power_throttling',
    'Held back by power, below the power limit,',
  );
  return findings;
}
