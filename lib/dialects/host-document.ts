import { HOST } from '../native/layout.js';

type Field = keyof typeof HOST;

/** Names of the reason numbers in the native block. */
const ABSENCE: readonly string[] = [
  'ok',
  'missing',
  'permission_denied',
  'malformed',
  'unsupported',
  'needs_second_sample',
  'unlimited',
  'io_error',
];

/** Value of a field, or null where the host does not tell. */
export function hostValue(host: Float64Array, field: Field): number | null {
  const value = host[HOST[field]];
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** Why a group of fields is absent, or null when it is not. */
export function hostAbsence(host: Float64Array, field: Field): string | null {
  const reason = hostValue(host, field);
  return reason === null || reason === 0 ? null : (ABSENCE[reason] ?? 'unknown');
}

const round = (value: number, decimals: number): number => Number(value.toFixed(decimals));

/** Copies the named fields that are present; `decimals` rounds what is not an integer. */
function pick(
  host: Float64Array,
  fields: Readonly<Record<string, Field>>,
  decimals = 4,
): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [key, field] of Object.entries(fields)) {
    const value = hostValue(host, field);
    if (value !== null) out[key] = round(value, decimals);
  }
  return out;
}

function absences(
  host: Float64Array,
  fields: Readonly<Record<string, Field>>,
): { unavailable?: Record<string, string> } {
  const out: Record<string, string> = {};
  for (const [key, field] of Object.entries(fields)) {
    const reason = hostAbsence(host, field);
    if (reason !== null) out[key] = reason;
  }
  return Object.keys(out).length === 0 ? {} : { unavailable: out };
}

/** Key `host`: the machine and this process on it. Absent values are left out; `unavailable` says why. */
export function hostDocument(host: Float64Array): object {
  const scope = hostValue(host, 'psiScope') === 1 ? 'cgroup' : 'host';
  return {
    cpu: pick(host, {
      busy_ratio: 'cpuBusyRatio',
      user_ratio: 'cpuUserRatio',
      system_ratio: 'cpuSystemRatio',
      iowait_ratio: 'cpuIowaitRatio',
      steal_ratio: 'cpuStealRatio',
      count: 'cpuCount',
    }),
    memory: pick(host, {
      total_bytes: 'memTotalBytes',
      available_bytes: 'memAvailableBytes',
      swap_total_bytes: 'swapTotalBytes',
      swap_free_bytes: 'swapFreeBytes',
    }),
    load: pick(host, { '1m': 'load1', '5m': 'load5', '15m': 'load15' }),
    pressure: {
      scope,
      ...pick(host, {
        cpu_some_avg10_percent: 'psiCpuSomeAvg10',
        cpu_some_avg60_percent: 'psiCpuSomeAvg60',
        memory_some_avg10_percent: 'psiMemorySomeAvg10',
        memory_full_avg10_percent: 'psiMemoryFullAvg10',
        io_some_avg10_percent: 'psiIoSomeAvg10',
        io_full_avg10_percent: 'psiIoFullAvg10',
      }),
    },
    process: pick(host, {
      cpu_cores: 'processCpuCores',
      rss_bytes: 'processRssBytes',
      shared_bytes: 'processSharedBytes',
      open_fds: 'openFds',
      max_fds: 'maxFds',
      threads: 'threads',
    }),
    ...pick(host, { uptime_seconds: 'uptimeSeconds' }, 2),
    ...absences(host, {
      cpu: 'cpuReason',
      process_cpu: 'processCpuReason',
      memory: 'memReason',
      process_memory: 'processMemReason',
      pressure_cpu: 'psiCpuReason',
      pressure_memory: 'psiMemoryReason',
      pressure_io: 'psiIoReason',
      load: 'loadReason',
      fds: 'fdReason',
      threads: 'threadsReason',
      uptime: 'uptimeReason',
    }),
  };
}

/** Key `cgroup`: the limits that apply to this process, or null outside any cgroup. */
export function cgroupDocument(host: Float64Array): object | null {
  const version = hostValue(host, 'cgroupVersion');
  if (version === null) return null;
  return {
    version,
    hybrid: hostValue(host, 'cgroupHybrid') === 1,
    memory: pick(host, {
      limit_bytes: 'cgroupMemoryLimitBytes',
      high_bytes: 'cgroupMemoryHighBytes',
      usage_bytes: 'cgroupMemoryUsageBytes',
      working_set_bytes: 'cgroupWorkingSetBytes',
      swap_bytes: 'cgroupSwapBytes',
      oom_events: 'cgroupOomEvents',
      oom_kill_events: 'cgroupOomKillEvents',
    }),
    cpu: pick(host, {
      quota_cores: 'cgroupCpuQuotaCores',
      usage_cores: 'cgroupCpuUsageCores',
      periods: 'cgroupCpuPeriods',
      throttled_periods: 'cgroupCpuThrottledPeriods',
      throttled_ms: 'cgroupCpuThrottledMs',
      throttled_ratio: 'cgroupCpuThrottledRatio',
    }),
    pids: pick(host, { current: 'cgroupPidsCurrent', max: 'cgroupPidsMax' }),
    ...absences(host, { memory: 'cgroupMemoryReason', cpu: 'cgroupCpuReason', pids: 'cgroupPidsReason' }),
  };
}

const MIB = 1024 * 1024;

/** Memory in use in MiB: the cgroup's working set under a limit, else the host's total − available. */
export function memoryUsageMb(host: Float64Array): number | null {
  const limited = hostValue(host, 'cgroupMemoryLimitBytes') !== null;
  const workingSet = hostValue(host, 'cgroupWorkingSetBytes');
  if (limited && workingSet !== null) return round(workingSet / MIB, 1);
  const total = hostValue(host, 'memTotalBytes');
  const available = hostValue(host, 'memAvailableBytes');
  return total === null || available === null ? null : round((total - available) / MIB, 1);
}

/** CPU use in percent, 0 to 100: of the quota where there is one, else of the host. */
export function cpuUsagePercent(host: Float64Array): number | null {
  const quota = hostValue(host, 'cgroupCpuQuotaCores');
  const cores = hostValue(host, 'cgroupCpuUsageCores');
  if (quota !== null && cores !== null) return round(Math.min(100, (cores / quota) * 100), 1);
  const busy = hostValue(host, 'cpuBusyRatio');
  return busy === null ? null : round(busy * 100, 1);
}
