import type { XidFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import type { GpuPolicy } from './policy-options.js';

/**
 * SXids, the XIDs of NVSwitches. Their numbers are not tabulated here: the kernel's line says itself whether one is fatal,
 * and a list of numbers would be older than the driver. A fatal one takes the links of all GPUs of the fabric down; it
 * concerns a process that uses more than one of them.
 */
export function judgeSwitches(
  rows: readonly XidFacts[],
  usedGpus: number,
  policy: GpuPolicy,
  atMs: number,
): readonly RawFinding[] {
  return rows
    .filter(
      ({ isSxid, fatal, lastAtMs }) => isSxid && (fatal === true || atMs - lastAtMs < policy.watchDecayMs),
    )
    .map(({ xid, fatal, count, firstAtMs }) => ({
      code: `gpu.sxid.${xid}`,
      severity: fatal === true && usedGpus > 1 ? 'unhealthy' : 'degraded',
      action: fatal === true ? 'reset' : 'watch',
      message: `NVSwitch SXid ${xid}${fatal === true ? ' (fatal)' : ''}${count > 1 ? `, ${count} times` : ''}`,
      sinceMs: firstAtMs,
    }));
}
