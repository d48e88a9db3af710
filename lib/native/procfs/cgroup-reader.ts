import { HOST, REASON } from '../layout.js';
import {
  parseCfsQuota,
  parseCount,
  parseCpuMax,
  parseCpuStatFile,
  parseLimit,
  parseMemoryStat,
} from './cgroup.js';
import { type CgroupLocation, type Hierarchy, locateCgroups } from './cgroup-location.js';
import { andThen, type Fact, isKnown, noFact, type Reason } from './fact.js';
import { createKeptFile, type KeptFile } from './kept-file.js';
import { createRate, type Due } from './rate.js';
import { findNumber } from './text.js';

/** A move to another group is silent, so the location is looked up again; soon when a file is gone. */
const LOCATE_EVERY_MS = 60_000;
const LOCATE_AFTER_LOSS_MS = 1000;

interface EffectiveLimit {
  readonly reason: Reason;
  /** NaN unless the reason is ok. */
  readonly value: number;
  /** Level of the group that sets it; the innermost when there is none. */
  readonly level: number;
  readonly hasFile: boolean;
}

export interface CgroupReader {
  sample(nowMs: number, isMemoryDue: boolean, due: Due, slots: Float64Array): void;
  /** Directory of the *.pressure files that describe this process's group; null when the host's own do. */
  pressureDirectory(): string | null;
  close(): void;
}

const UNKNOWN_LIMIT: EffectiveLimit = {
  reason: REASON.missing,
  value: Number.NaN,
  level: 0,
  hasFile: false,
};

/** Fills the cgroup… slots; counterpart of `native/host/cgroup_reader.cc`, where the rules are explained. */
export function createCgroupReader(root: string): CgroupReader {
  let location: CgroupLocation | null = null;
  let locatedAtMs = 0;
  let locateDueMs = 0;
  let isLost = false;
  let pressureDirectory: string | null = null;
  const files = new Map<string, KeptFile>();
  const known = new Set<string>();
  const absent = new Set<string>();
  let cpuUsage = createRate();
  let throttling = createRate();
  let cpuLevel = 0;
  let memoryLimit = UNKNOWN_LIMIT;
  let cpuQuota = UNKNOWN_LIMIT;

  function locate(nowMs: number): CgroupLocation {
    const next = locateCgroups(root);
    if (next.key !== location?.key) {
      for (const file of files.values()) file.close();
      files.clear();
      known.clear();
      cpuUsage = createRate();
      throttling = createRate();
    }
    absent.clear();
    locatedAtMs = nowMs;
    locateDueMs = nowMs + LOCATE_EVERY_MS;
    pressureDirectory = findPressureDirectory(next);
    return next;
  }

  // The true root's own pressure is the host's, and an administrator can turn a group's off.
  function findPressureDirectory({ v2 }: CgroupLocation): string | null {
    const own = v2?.levels[0];
    if (v2 == null || own === undefined || (v2.reachesRoot && v2.levels.length === 1)) return null;
    const file = createKeptFile(`${root}${own}/memory.pressure`);
    const { reason } = file.read();
    file.close();
    return reason === REASON.missing || reason === REASON.unsupported ? null : own;
  }

  function read(level: string | undefined, name: string): Fact<string> {
    const path = `${root}${level}/${name}`;
    if (level === undefined || absent.has(path)) return noFact(REASON.missing);
    const file = files.get(path) ?? createKeptFile(path);
    files.set(path, file);
    const text = file.read();
    if (text.reason === REASON.ok) known.add(path);
    else if (text.reason === REASON.missing) {
      if (known.delete(path)) isLost = true;
      else absent.add(path);
    }
    return text;
  }

  const count = (level: string | undefined, name: string): Fact<number> =>
    andThen(read(level, name), parseCount);

  function lowestLimit(group: Hierarchy, readLimit: (directory: string) => Fact<number>): EffectiveLimit {
    let lowest = { value: Number.POSITIVE_INFINITY, level: 0 };
    let hasFile = false;
    for (const [level, directory] of group.levels.entries()) {
      const limit = readLimit(directory);
      if (limit.reason === REASON.missing) continue;
      if (limit.value === null) return { reason: limit.reason, value: Number.NaN, level: 0, hasFile: true };
      if (!hasFile) lowest.level = level;
      hasFile = true;
      // Of equal limits the outermost binds: the use of the others is part of its own.
      if (Number.isFinite(limit.value) && limit.value <= lowest.value) lowest = { value: limit.value, level };
    }
    if (Number.isFinite(lowest.value)) return { reason: REASON.ok, ...lowest, hasFile };
    const isCertain = hasFile || (group.reachesRoot && !isLost);
    return {
      reason: isCertain ? REASON.unlimited : REASON.missing,
      value: Number.NaN,
      level: lowest.level,
      hasFile,
    };
  }

  function overallReason(use: Reason, limit: EffectiveLimit): Reason {
    const isLimitKnown = limit.reason === REASON.ok || limit.reason === REASON.unlimited;
    if (!isLimitKnown || use === REASON.ok || (use === REASON.missing && !limit.hasFile)) return limit.reason;
    return use;
  }

  function sampleMemory(group: Hierarchy, isSlowDue: boolean, slots: Float64Array): Reason {
    const { isV2, levels } = group;
    const memoryTotal = slots[HOST.memTotalBytes] ?? Number.NaN;
    const limitName = isV2 ? 'memory.max' : 'memory.limit_in_bytes';
    if (isSlowDue)
      memoryLimit = lowestLimit(group, (directory) => andThen(read(directory, limitName), parseLimit));
    let limit = memoryLimit;
    if (limit.value >= memoryTotal) limit = { ...limit, reason: REASON.unlimited, value: Number.NaN };
    const directory = levels[limit.level];
    const usage = count(directory, isV2 ? 'memory.current' : 'memory.usage_in_bytes');
    let reason: Reason = usage.reason;
    let hidden = Number.NaN;
    let workingSet = Number.NaN;
    let swap = Number.NaN;
    if (usage.value !== null) {
      const stat = andThen(read(directory, 'memory.stat'), parseMemoryStat);
      reason = stat.reason;
      if (stat.value !== null) {
        workingSet = Math.max(0, usage.value - stat.value.inactiveFile);
        swap = stat.value.swap;
        hidden = stat.value.hierarchicalLimit;
      }
    }
    const isLimitKnown = limit.reason === REASON.ok || limit.reason === REASON.unlimited;
    if (isLimitKnown && hidden < memoryTotal && !(hidden >= limit.value))
      limit = { ...limit, reason: REASON.ok, value: hidden };
    slots[HOST.cgroupMemoryLimitBytes] = limit.value;
    slots[HOST.cgroupMemoryUsageBytes] = usage.value ?? Number.NaN;
    slots[HOST.cgroupWorkingSetBytes] = workingSet;
    if (!isV2) slots[HOST.cgroupSwapBytes] = swap;
    if (isSlowDue) sampleMemoryEvents(group, directory, slots);
    return overallReason(reason, limit);
  }

  function sampleMemoryEvents(group: Hierarchy, directory: string | undefined, slots: Float64Array): void {
    const { isV2, levels } = group;
    if (isV2) {
      const high = lowestLimit(group, (level) => andThen(read(level, 'memory.high'), parseLimit));
      slots[HOST.cgroupMemoryHighBytes] = high.value;
      slots[HOST.cgroupSwapBytes] = count(directory, 'memory.swap.current').value ?? Number.NaN;
    }
    const events = read(levels[0], isV2 ? 'memory.events' : 'memory.oom_control').value ?? '';
    slots[HOST.cgroupOomEvents] = findNumber(events, 'oom');
    slots[HOST.cgroupOomKillEvents] = findNumber(events, 'oom_kill');
  }

  function quotaOf(group: Hierarchy): EffectiveLimit {
    if (group.isV2)
      return lowestLimit(group, (directory) => andThen(read(directory, 'cpu.max'), parseCpuMax));
    return lowestLimit(group, (directory) =>
      andThen(andThen(read(directory, 'cpu.cfs_quota_us'), parseCfsQuota), (quotaUs) => {
        if (!Number.isFinite(quotaUs)) return { reason: REASON.ok, value: quotaUs };
        const period = count(directory, 'cpu.cfs_period_us');
        if (period.value === 0) return noFact(REASON.malformed);
        return andThen(period, (periodUs) => ({ reason: REASON.ok, value: quotaUs / periodUs }));
      }),
    );
  }

  function sampleCpu(group: Hierarchy, nowMs: number, isSlowDue: boolean, slots: Float64Array): Reason {
    slots.fill(Number.NaN, HOST.cgroupCpuQuotaCores, HOST.cgroupCpuReason);
    if (isSlowDue) cpuQuota = quotaOf(group);
    const quota = cpuQuota;
    if (quota.level !== cpuLevel) {
      cpuUsage = createRate();
      throttling = createRate();
      cpuLevel = quota.level;
    }
    const stat = andThen(read(group.levels[quota.level], 'cpu.stat'), parseCpuStatFile);
    let usageUs = stat.value?.usageUs ?? Number.NaN;
    const accounting = location?.cpuacct;
    if (!group.isV2 && accounting != null) {
      const level = accounting.relative === group.relative ? quota.level : 0;
      usageUs = (count(accounting.levels[level], 'cpuacct.usage').value ?? Number.NaN) / 1e3;
    }
    slots[HOST.cgroupCpuQuotaCores] = quota.value;
    if (stat.value !== null) {
      const { periods, throttledPeriods, throttledUs } = stat.value;
      slots[HOST.cgroupCpuPeriods] = periods;
      slots[HOST.cgroupCpuThrottledPeriods] = throttledPeriods;
      slots[HOST.cgroupCpuThrottledMs] = throttledUs / 1e3;
      if (isKnown(periods) && isKnown(throttledPeriods))
        slots[HOST.cgroupCpuThrottledRatio] = throttling.update(nowMs, throttledPeriods, periods);
    }
    const cores = isKnown(usageUs) ? cpuUsage.update(nowMs, usageUs / 1e3, nowMs) : Number.NaN;
    slots[HOST.cgroupCpuUsageCores] = cores;
    const reason = overallReason(stat.reason, quota);
    if (reason !== REASON.ok || isKnown(cores)) return reason;
    return isKnown(usageUs) ? REASON.needsSecondSample : REASON.missing;
  }

  function samplePids(group: Hierarchy, slots: Float64Array): Reason {
    const limit = lowestLimit(group, (directory) => andThen(read(directory, 'pids.max'), parseLimit));
    const current = count(group.levels[limit.level], 'pids.current');
    slots[HOST.cgroupPidsCurrent] = current.value ?? Number.NaN;
    slots[HOST.cgroupPidsMax] = limit.value;
    return overallReason(current.reason, limit);
  }

  return {
    pressureDirectory: () => pressureDirectory,
    close() {
      for (const file of files.values()) file.close();
    },
    sample(nowMs, isMemoryDueNow, dueNow, slots) {
      let isMemoryDue = isMemoryDueNow;
      let due = dueNow;
      if (location === null || nowMs >= locateDueMs) {
        location = locate(nowMs);
        isMemoryDue = true;
        due = { counters: true, slow: true };
        slots.fill(Number.NaN, HOST.cgroupVersion, HOST.cgroupPidsReason + 1);
      }
      const [memory, cpu, pids] = [location.of('memory'), location.of('cpu'), location.of('pids')];
      if (location.hasV1 || location.hasV2) {
        const isV2 = typeof memory === 'number' ? location.hasV2 : memory.isV2;
        slots[HOST.cgroupVersion] = isV2 ? 2 : 1;
        slots[HOST.cgroupHybrid] = location.hasV1 && location.hasV2 ? 1 : 0;
      }
      isLost = false;
      if (isMemoryDue) {
        const sampled = (isSlowDue: boolean): Reason =>
          typeof memory === 'number' ? memory : sampleMemory(memory, isSlowDue, slots);
        slots[HOST.cgroupMemoryReason] = sampled(due.slow);
        // What was read of the group before counts no more.
        if (isLost && !due.slow) slots[HOST.cgroupMemoryReason] = sampled(true);
      }
      if (due.counters)
        slots[HOST.cgroupCpuReason] =
          typeof cpu === 'number' ? cpu : sampleCpu(cpu, nowMs, due.slow || isLost, slots);
      if (due.slow) slots[HOST.cgroupPidsReason] = typeof pids === 'number' ? pids : samplePids(pids, slots);
      if (isLost) locateDueMs = Math.min(locateDueMs, locatedAtMs + LOCATE_AFTER_LOSS_MS);
    },
  };
}
