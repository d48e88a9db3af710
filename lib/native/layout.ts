/** Mirror of `native/snapshot/layout.h`: slot names in slot order. A test compares it with what the addon reports. */
export const HOST_FIELDS = [
  'observedAtMs',
  'observedUnixMs',
  'sampleDurationUs',
  'samples',
  'cpuBusyRatio',
  'cpuUserRatio',
  'cpuSystemRatio',
  'cpuIowaitRatio',
  'cpuStealRatio',
  'cpuCount',
  'cpuReason',
  'processCpuCores',
  'processCpuUserMs',
  'processCpuSystemMs',
  'processCpuReason',
  'memTotalBytes',
  'memAvailableBytes',
  'swapTotalBytes',
  'swapFreeBytes',
  'memReason',
  'processRssBytes',
  'processSharedBytes',
  'processMemReason',
  'cgroupVersion',
  'cgroupHybrid',
  'cgroupMemoryLimitBytes',
  'cgroupMemoryUsageBytes',
  'cgroupWorkingSetBytes',
  'cgroupMemoryHighBytes',
  'cgroupSwapBytes',
  'cgroupOomEvents',
  'cgroupOomKillEvents',
  'cgroupMemoryReason',
  'cgroupCpuQuotaCores',
  'cgroupCpuUsageCores',
  'cgroupCpuPeriods',
  'cgroupCpuThrottledPeriods',
  'cgroupCpuThrottledMs',
  'cgroupCpuThrottledRatio',
  'cgroupCpuReason',
  'cgroupPidsCurrent',
  'cgroupPidsMax',
  'cgroupPidsReason',
  'psiScope',
  'psiCpuSomeAvg10',
  'psiCpuSomeAvg60',
  'psiCpuSomeTotalUs',
  'psiCpuReason',
  'psiMemorySomeAvg10',
  'psiMemoryFullAvg10',
  'psiMemorySomeTotalUs',
  'psiMemoryReason',
  'psiIoSomeAvg10',
  'psiIoFullAvg10',
  'psiIoSomeTotalUs',
  'psiIoReason',
  'load1',
  'load5',
  'load15',
  'loadReason',
  'openFds',
  'maxFds',
  'fdReason',
  'threads',
  'threadsReason',
  'uptimeSeconds',
  'uptimeReason',
  'processStartUnixMs',
] as const;

export const LOOP_FIELDS = [
  'busyMs',
  'busySinceMs',
  'longestStallMs',
  'stallCount',
  'stallTotalMs',
  'utilization',
  'iterations',
  'tid',
  'alive',
] as const;

/** Section `cores`: the number of cores, then the busy ratio of each. */
export const CORES_COUNT = 0;
export const CORES_BUSY_RATIO = 1;
export const CORES_SLOTS = 1025;

/** Values of the `…Reason` slots: why the group's absent fields are absent. */
export const REASON = {
  ok: 0,
  missing: 1,
  permission: 2,
  malformed: 3,
  unsupported: 4,
  needsSecondSample: 5,
  unlimited: 6,
  ioError: 7,
} as const;

type Index<Fields extends readonly string[]> = { readonly [Field in Fields[number]]: number };

function indexOf<Fields extends readonly string[]>(fields: Fields): Index<Fields> {
  return Object.freeze(Object.fromEntries(fields.map((field, index) => [field, index]))) as Index<Fields>;
}

/** Slot index by field name. */
export const HOST = indexOf(HOST_FIELDS);
export const LOOP = indexOf(LOOP_FIELDS);
