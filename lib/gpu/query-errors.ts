import type { GpuDeviceFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import { isAway } from './recovery.js';
import { type Sustained, stepSustained } from './sustained.js';

const RETURN = { success: 0, notSupported: 3, noPermission: 4, corruptedInforom: 14 } as const;
/** Said of a feature or of our rights, not of the GPU. */
const HARMLESS: readonly number[] = [RETURN.success, RETURN.notSupported, RETURN.noPermission];
const HOLD_MS = 3000;

/** One GPU answers with an error that is neither "lost" nor "reset required", while others may be fine. */
export function stepQueryErrors(state: Sustained, device: GpuDeviceFacts, atMs: number): Sustained {
  const { lastReturn } = device;
  if (lastReturn === null) return state;
  const failing = !isAway(device) && !HARMLESS.includes(lastReturn);
  return stepSustained(state, { enter: failing, leave: !failing }, atMs, {
    enterMs: HOLD_MS,
    leaveMs: HOLD_MS,
    gapMs: Number.POSITIVE_INFINITY,
  });
}

export function judgeQueryErrors(state: Sustained, device: GpuDeviceFacts): RawFinding | null {
  if (!state.active) return null;
  return {
    code: 'gpu.query_failed',
    severity: 'degraded',
    action: device.lastReturn === RETURN.corruptedInforom ? 'contact' : 'watch',
    message: `The driver answers questions about this GPU with error ${device.lastReturn ?? 'unknown'}`,
    sinceMs: state.sinceMs,
  };
}
