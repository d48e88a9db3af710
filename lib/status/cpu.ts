import { stepLevel } from './levels.js';
import type { Finding } from './memory.js';
import type { HostFacts, LevelState } from './types.js';

/**
 * Throttled in a tenth of the scheduler periods is where the tail of a probe starts to show the quota (period 100 ms);
 * PSI `some avg10` above 50 % means that for half of the time a runnable task waited for a CPU.
 */
const THROTTLED = { enter: 0.1, leave: 0.05 };
const PRESSURE = { enter: 50, leave: 40 };
const LEAVE_HOLD_MS = 10_000;

/** CPU pressure and throttling. It never gates readiness unless listed in `gates`: a busy server is a working server. */
export function judgeCpu(previous: LevelState, facts: HostFacts): Finding {
  const { throttledRatio, cpuPressurePercent, cpuPercent } = facts;
  if (throttledRatio === null && cpuPressurePercent === null && cpuPercent === null) {
    return {
      level: previous,
      status: 'unknown',
      reason: 'cpu.unknown',
      message: 'CPU usage unknown: not observed',
    };
  }
  // Both signals on one scale, 1 = the entry threshold, so that one ladder serves.
  const throttling = (throttledRatio ?? 0) / THROTTLED.enter;
  const pressure = (cpuPressurePercent ?? 0) / PRESSURE.enter;
  const leave = throttling >= pressure ? THROTTLED.leave / THROTTLED.enter : PRESSURE.leave / PRESSURE.enter;
  const level = stepLevel(
    previous,
    [{ enter: 1, leave }],
    LEAVE_HOLD_MS,
    Math.max(throttling, pressure),
    facts.atMs,
  );
  if (level.level === 0) {
    const message = cpuPercent === null ? 'CPU pressure normal' : `CPU usage: ${cpuPercent.toFixed(1)}%`;
    return { level, status: 'healthy', reason: null, message };
  }
  if (throttling >= pressure) {
    const share = ((throttledRatio ?? 0) * 100).toFixed(1);
    return {
      level,
      status: 'degraded',
      reason: 'cpu.throttled',
      message: `CPU quota exhausted in ${share}% of periods`,
    };
  }
  const share = (cpuPressurePercent ?? 0).toFixed(1);
  return {
    level,
    status: 'degraded',
    reason: 'cpu.pressure',
    message: `Tasks waited for a CPU during ${share}% of the last 10 s`,
  };
}
