import type { HostFacts } from '../status/types.js';
import { cpuUsagePercent, hostAbsence, hostValue } from './host-document.js';

/** What the status model needs from one host sample. */
export function hostFacts(host: Float64Array): HostFacts {
  const limit = hostValue(host, 'cgroupMemoryLimitBytes');
  const workingSet = hostValue(host, 'cgroupWorkingSetBytes');
  const total = hostValue(host, 'memTotalBytes');
  const available = hostValue(host, 'memAvailableBytes');
  const inCgroup = limit !== null && limit > 0 && workingSet !== null;
  const ofHost =
    total !== null && total > 0 && available !== null ? ((total - available) / total) * 100 : null;
  return {
    atMs: hostValue(host, 'observedAtMs') ?? 0,
    durationMs: (hostValue(host, 'sampleDurationUs') ?? 0) / 1000,
    memoryScope: inCgroup ? 'cgroup' : 'host',
    memoryPercent: inCgroup ? (workingSet / limit) * 100 : ofHost,
    memoryAbsent: inCgroup ? null : `/proc/meminfo ${hostAbsence(host, 'memReason') ?? 'missing'}`,
    throttledRatio: hostValue(host, 'cgroupCpuThrottledRatio'),
    cpuPressurePercent: hostValue(host, 'psiCpuSomeAvg10'),
    cpuPercent: cpuUsagePercent(host),
  };
}
