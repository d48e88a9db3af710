import { HOST as SLOT } from '../../native/layout.js';
import type { FamilySet } from '../family.js';
import type { MetricsInput } from '../input.js';

type HostField = keyof typeof SLOT;

const HOST = { scope: 'host' };
const CGROUP = { scope: 'cgroup' };
const PROCESS = { scope: 'process' };

/** Reads one field of the section `host`; NaN when there is no sample or no value. */
type HostReader = (field: HostField) => number;

function readerOf(host: Float64Array | null): HostReader {
  return (field) => host?.[SLOT[field]] ?? Number.NaN;
}

/** Facts about the machine, the container and the process, from the native sampler. */
export function addHostFamilies(set: FamilySet, input: MetricsInput): void {
  const host = readerOf(input.host);
  addSampler(set, host, input.nowMs);
  addCpu(set, host, input.cores);
  addMemory(set, host);
  addPressure(set, host);
  addProcess(set, host);
  addUnavailable(set, host);
}

function addSampler(set: FamilySet, host: HostReader, nowMs: number): void {
  set
    .gauge('sample_age_seconds', 'Time since the host sampler last finished a sample.')
    .add(Math.max(0, nowMs - host('observedAtMs')) / 1000);
  set
    .gauge('sample_duration_seconds', 'How long the last host sample took.')
    .add(host('sampleDurationUs') / 1e6);
  set.counter('samples_total', 'Host samples taken.').add(host('samples'));
}

function addCpu(set: FamilySet, host: HostReader, cores: Float64Array | undefined): void {
  set
    .gauge(
      'cpu_utilization_ratio',
      'CPU in use since the sample before, of all cores or of the cgroup quota, 0 to 1.',
    )
    .add(host('cpuBusyRatio'), HOST)
    .add(host('cgroupCpuUsageCores') / host('cgroupCpuQuotaCores'), CGROUP);
  set
    .gauge('cpu_mode_ratio', 'CPU time of the host by mode since the sample before, 0 to 1.')
    .add(host('cpuUserRatio'), { scope: 'host', mode: 'user' })
    .add(host('cpuSystemRatio'), { scope: 'host', mode: 'system' })
    .add(host('cpuIowaitRatio'), { scope: 'host', mode: 'iowait' })
    .add(host('cpuStealRatio'), { scope: 'host', mode: 'steal' });
  set
    .gauge('cpu_usage_cores', 'Cores in use since the sample before.')
    .add(host('cgroupCpuUsageCores'), CGROUP)
    .add(host('processCpuCores'), PROCESS);
  set
    .gauge(
      'cpu_limit_cores',
      'Cores of the host, and the smallest CPU quota of the cgroup and its ancestors.',
    )
    .add(host('cpuCount'), HOST)
    .add(host('cgroupCpuQuotaCores'), CGROUP);
  const perCore = set.gauge(
    'cpu_core_utilization_ratio',
    'Use of each core since the sample before, 0 to 1.',
  );
  cores?.forEach((busy, index) => {
    perCore.add(busy, { index: String(index) });
  });
  set
    .counter('cpu_seconds_total', 'CPU time that this process has used.')
    .add(host('processCpuUserMs') / 1000, { scope: 'process', mode: 'user' })
    .add(host('processCpuSystemMs') / 1000, { scope: 'process', mode: 'system' });
  set
    .counter('cpu_periods_total', 'Scheduling periods of the cgroup that sets the CPU quota.')
    .add(host('cgroupCpuPeriods'), CGROUP);
  set
    .counter(
      'cpu_throttled_periods_total',
      'Scheduling periods in which the cgroup ran out of its CPU quota.',
    )
    .add(host('cgroupCpuThrottledPeriods'), CGROUP);
  set
    .counter('cpu_throttled_seconds_total', 'Time for which tasks of the cgroup waited for CPU quota.')
    .add(host('cgroupCpuThrottledMs') / 1000, CGROUP);
  set
    .gauge(
      'cpu_throttled_ratio',
      'Share of the scheduling periods since the sample before that were throttled, 0 to 1.',
    )
    .add(host('cgroupCpuThrottledRatio'), CGROUP);
  set
    .gauge('load_average', 'Load average of the host.')
    .add(host('load1'), { scope: 'host', window: '1m' })
    .add(host('load5'), { scope: 'host', window: '5m' })
    .add(host('load15'), { scope: 'host', window: '15m' });
}

function addMemory(set: FamilySet, host: HostReader): void {
  set
    .gauge(
      'memory_used_bytes',
      'Memory in use: of the host not available, of the cgroup its working set, of the process resident.',
    )
    .add(host('memTotalBytes') - host('memAvailableBytes'), HOST)
    .add(host('cgroupWorkingSetBytes'), CGROUP)
    .add(host('processRssBytes'), PROCESS);
  set
    .gauge(
      'memory_limit_bytes',
      'Memory of the host, and the smallest limit of the cgroup and its ancestors.',
    )
    .add(host('memTotalBytes'), HOST)
    .add(host('cgroupMemoryLimitBytes'), CGROUP);
  set
    .gauge('memory_available_bytes', 'Memory that new work on the host can have without swapping.')
    .add(host('memAvailableBytes'), HOST);
  set
    .gauge('memory_charged_bytes', 'Memory charged to the cgroup, page cache included.')
    .add(host('cgroupMemoryUsageBytes'), CGROUP);
  set
    .gauge('memory_high_bytes', 'Use above which the kernel throttles the cgroup (memory.high).')
    .add(host('cgroupMemoryHighBytes'), CGROUP);
  set
    .gauge('memory_shared_bytes', 'Part of the resident memory of this process that is shared.')
    .add(host('processSharedBytes'), PROCESS);
  set
    .gauge('swap_used_bytes', 'Swap in use.')
    .add(host('swapTotalBytes') - host('swapFreeBytes'), HOST)
    .add(host('cgroupSwapBytes'), CGROUP);
  set.gauge('swap_limit_bytes', 'Swap of the host.').add(host('swapTotalBytes'), HOST);
  set
    .counter('oom_events_total', 'Times that the cgroup was out of memory.')
    .add(host('cgroupOomEvents'), CGROUP);
  set
    .counter('oom_kills_total', 'Processes of the cgroup that the kernel killed for memory.')
    .add(host('cgroupOomKillEvents'), CGROUP);
}

function addPressure(set: FamilySet, host: HostReader): void {
  // 1 and 0 as the sampler writes it; without a scope there is no pressure file at all.
  const scope = host('psiScope') === 1 ? 'cgroup' : 'host';
  const row = (resource: string, kind: string) => ({ scope, resource, kind });
  set
    .gauge('pressure_ratio', 'Share of time in which work waited for the resource (PSI), 0 to 1.')
    .add(host('psiCpuSomeAvg10') / 100, { ...row('cpu', 'some'), window: '10s' })
    .add(host('psiCpuSomeAvg60') / 100, { ...row('cpu', 'some'), window: '60s' })
    .add(host('psiMemorySomeAvg10') / 100, { ...row('memory', 'some'), window: '10s' })
    .add(host('psiMemoryFullAvg10') / 100, { ...row('memory', 'full'), window: '10s' })
    .add(host('psiIoSomeAvg10') / 100, { ...row('io', 'some'), window: '10s' })
    .add(host('psiIoFullAvg10') / 100, { ...row('io', 'full'), window: '10s' });
  set
    .counter('pressure_seconds_total', 'Time in which work waited for the resource (PSI).')
    .add(host('psiCpuSomeTotalUs') / 1e6, row('cpu', 'some'))
    .add(host('psiMemorySomeTotalUs') / 1e6, row('memory', 'some'))
    .add(host('psiIoSomeTotalUs') / 1e6, row('io', 'some'));
}

function addProcess(set: FamilySet, host: HostReader): void {
  set.gauge('pids', 'Processes and threads in the cgroup.').add(host('cgroupPidsCurrent'), CGROUP);
  set
    .gauge('pids_limit', 'Most processes and threads that the cgroup may have.')
    .add(host('cgroupPidsMax'), CGROUP);
  set.gauge('open_fds', 'Open file descriptors.').add(host('openFds'), PROCESS);
  set
    .gauge('open_fds_limit', 'Most file descriptors that this process may open.')
    .add(host('maxFds'), PROCESS);
  set.gauge('threads', 'Threads of this process.').add(host('threads'), PROCESS);
  set.gauge('uptime_seconds', 'Time since the host was booted.').add(host('uptimeSeconds'), HOST);
  set
    .gauge('start_time_seconds', 'When this process was started, in seconds since the epoch.')
    .add(host('processStartUnixMs') / 1000, PROCESS);
}

/** Fields of the section `host` that say why a group is absent, and the label value for each group. */
const SOURCES = [
  ['cpuReason', 'cpu'],
  ['processCpuReason', 'process_cpu'],
  ['memReason', 'memory'],
  ['processMemReason', 'process_memory'],
  ['cgroupMemoryReason', 'cgroup_memory'],
  ['cgroupCpuReason', 'cgroup_cpu'],
  ['cgroupPidsReason', 'cgroup_pids'],
  ['psiCpuReason', 'pressure_cpu'],
  ['psiMemoryReason', 'pressure_memory'],
  ['psiIoReason', 'pressure_io'],
  ['loadReason', 'load'],
  ['fdReason', 'fds'],
  ['threadsReason', 'threads'],
  ['uptimeReason', 'uptime'],
] as const satisfies readonly (readonly [HostField, string])[];

/** Reason numbers that mean a missing truth. 0, 5 (needs a second sample) and 6 (unlimited) are no fault. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [1, 'missing'],
  [2, 'permission_denied'],
  [3, 'malformed'],
  [4, 'unsupported'],
  [7, 'io_error'],
]);

function addUnavailable(set: FamilySet, host: HostReader): void {
  const family = set.gauge(
    'source_unavailable',
    'Is 1 for each source that the host sampler cannot read, with the reason.',
  );
  for (const [field, source] of SOURCES) {
    const reason = REASONS.get(host(field));
    if (reason !== undefined) family.add(1, { source, reason });
  }
}
