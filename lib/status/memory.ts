import { type Level, stepLevel } from './levels.js';
import type { HostFacts, LevelState, Policy, Status } from './types.js';

/** Leaves two points below the entry and only after 5 s: memory of a serving process swings by a percent with each batch. */
const LEAVE_MARGIN_PERCENT = 2;
const LEAVE_HOLD_MS = 5000;

export interface Finding {
  readonly level: LevelState;
  readonly status: Status;
  readonly reason: string | null;
  readonly message: string;
}

function ladder(policy: Policy): readonly Level[] {
  return [policy.memoryDegradedPercent, policy.memoryUnhealthyPercent].map((enter) => ({
    enter,
    leave: enter - LEAVE_MARGIN_PERCENT,
  }));
}

/** Memory of the cgroup where it has a limit, of the host elsewhere; messages as BitNet.rs documents them. */
export function judgeMemory(previous: LevelState, facts: HostFacts, policy: Policy): Finding {
  const percent = facts.memoryPercent;
  if (percent === null) {
    return {
      level: previous,
      status: 'unknown',
      reason: 'memory.unknown',
      message: `Memory usage unknown: ${facts.memoryAbsent ?? 'not observed'}`,
    };
  }
  const level = stepLevel(previous, ladder(policy), LEAVE_HOLD_MS, percent, facts.atMs);
  const text = `${percent.toFixed(1)}%`;
  if (level.level === 2)
    return { level, status: 'unhealthy', reason: 'memory.critical', message: `High memory usage: ${text}` };
  if (level.level === 1)
    return {
      level,
      status: 'degraded',
      reason: 'memory.elevated',
      message: `Elevated memory usage: ${text}`,
    };
  return { level, status: 'healthy', reason: null, message: `Memory usage normal: ${text}` };
}
