import { readdirSync } from 'node:fs';
import { CORES_BUSY_RATIO, CORES_COUNT, HOST, REASON } from '../layout.js';
import { createCgroupReader } from './cgroup-reader.js';
import { type CpuMeter, createCpuMeter, parseCpuStat } from './cpu.js';
import { andThen, type Fact, fact, isKnown, noFact, type Reason } from './fact.js';
import { createKeptFile, type KeptFile, reasonOf } from './kept-file.js';
import { parseMeminfo, parseStatm } from './memory.js';
import { parsePressure } from './pressure.js';
import { parseLoadavg, parseOpenFilesLimit, parseProcessStat, parseUptime } from './process.js';
import { createRate, type Due, MIN_WINDOW_MS, SLOW_EVERY_MS } from './rate.js';

/** Of every Linux that Node runs on: USER_HZ is 100 by ABI. */
const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1000 / TICKS_PER_SECOND;
const MAX_FILES_EVERY_MS = 60_000;

export interface HostReader {
  /**
   * Fills the host slots that are due, and `cores` (empty = not wanted); the others keep what the sample before has
   * written. All NaN before the first. `nowMs` is CLOCK_MONOTONIC.
   */
  sample(nowMs: number, wallMs: number, slots: Float64Array, cores: Float64Array): void;
  /** Closes the kept files; the next sample opens them again. */
  close(): void;
}

/** One sample of /proc and the cgroups below `root`; counterpart of `native/host/host_reader.cc`. */
export function createProcReader(root: string, pageBytes: number): HostReader {
  const keptFiles: KeptFile[] = [];
  const kept = (name: string): KeptFile => {
    const file = createKeptFile(`${root}/proc/${name}`);
    keptFiles.push(file);
    return file;
  };
  const [stat, selfStat, meminfo, statm] = [
    kept('stat'),
    kept('self/stat'),
    kept('meminfo'),
    kept('self/statm'),
  ];
  const [loadavg, uptime, limits] = [kept('loadavg'), kept('uptime'), kept('self/limits')];
  const cgroup = createCgroupReader(root);
  const cpu = createCpuMeter();
  const coreMeters = new Map<number, CpuMeter>();
  let counterReads = 0;
  let countersAtMs = 0;
  let slowAtMs = Number.NEGATIVE_INFINITY;
  let uptimeSeconds = Number.NaN;
  let uptimeAtMs = 0;
  const processCpu = createRate();
  let processStartMs = Number.NaN;
  let maxFiles: Fact<number> = noFact(REASON.missing);
  let maxFilesDueMs = 0;
  let pressureDirectory: string | null | undefined;
  let pressureFiles: readonly KeptFile[] = [];

  // The second reading, with which there are ratios, follows at the next sample. What is slow goes along with counters.
  function dueAt(nowMs: number): Due {
    if (counterReads >= 2 && nowMs - countersAtMs < MIN_WINDOW_MS) return { counters: false, slow: false };
    counterReads += 1;
    countersAtMs = nowMs;
    if (nowMs - slowAtMs < SLOW_EVERY_MS) return { counters: true, slow: false };
    slowAtMs = nowMs;
    return { counters: true, slow: true };
  }

  function sampleCpu(slots: Float64Array, cores: Float64Array): Reason {
    slots.fill(Number.NaN, HOST.cpuBusyRatio, HOST.cpuReason);
    if (cores.length > 0) cores[CORES_COUNT] = 0;
    const parsed = andThen(stat.read(), parseCpuStat);
    if (parsed.value === null) return parsed.reason;
    const { total, cores: coreTimes } = parsed.value;
    if (coreTimes.size > 0) slots[HOST.cpuCount] = coreTimes.size;
    cpu.update(total);
    let next = CORES_BUSY_RATIO;
    for (const [core, times] of coreTimes) {
      if (next >= cores.length) break;
      const meter = coreMeters.get(core) ?? createCpuMeter();
      coreMeters.set(core, meter);
      meter.update(times);
      cores[next++] = meter.ratios()?.busy ?? Number.NaN;
    }
    if (cores.length > 0) cores[CORES_COUNT] = next - CORES_BUSY_RATIO;
    const ratios = cpu.ratios();
    if (ratios === null) return REASON.needsSecondSample;
    slots[HOST.cpuBusyRatio] = ratios.busy;
    slots[HOST.cpuUserRatio] = ratios.user;
    slots[HOST.cpuSystemRatio] = ratios.system;
    slots[HOST.cpuIowaitRatio] = ratios.iowait;
    slots[HOST.cpuStealRatio] = ratios.steal;
    return REASON.ok;
  }

  function sampleLoadAndUptime(nowMs: number, slots: Float64Array): void {
    const load = andThen(loadavg.read(), parseLoadavg);
    [HOST.load1, HOST.load5, HOST.load15].forEach((slot, index) => {
      slots[slot] = load.value?.[index] ?? Number.NaN;
    });
    slots[HOST.loadReason] = load.reason;
    const up = andThen(uptime.read(), parseUptime);
    uptimeSeconds = up.value ?? Number.NaN;
    uptimeAtMs = nowMs;
    slots[HOST.uptimeReason] = up.reason;
  }

  function sampleProcess(nowMs: number, wallMs: number, slots: Float64Array): void {
    slots.fill(Number.NaN, HOST.processCpuCores, HOST.processCpuReason);
    const parsed = andThen(selfStat.read(), parseProcessStat);
    slots[HOST.threads] = parsed.value?.threads ?? Number.NaN;
    slots[HOST.threadsReason] = parsed.reason;
    slots[HOST.processCpuReason] = parsed.reason;
    if (parsed.value !== null) {
      const { userTicks, systemTicks, startTicks } = parsed.value;
      slots[HOST.processCpuUserMs] = userTicks * MS_PER_TICK;
      slots[HOST.processCpuSystemMs] = systemTicks * MS_PER_TICK;
      const cores = processCpu.update(nowMs, (userTicks + systemTicks) * MS_PER_TICK, nowMs);
      slots[HOST.processCpuCores] = cores;
      if (!isKnown(cores)) slots[HOST.processCpuReason] = REASON.needsSecondSample;
      if (!isKnown(processStartMs)) {
        // The real /proc/uptime is the container's under lxcfs; Node knows its own age.
        const upMs = (slots[HOST.uptimeSeconds] ?? Number.NaN) * 1000;
        const ageMs = root === '' ? process.uptime() * 1000 : upMs - startTicks * MS_PER_TICK;
        processStartMs = ageMs >= 0 ? wallMs - ageMs : Number.NaN;
      }
    }
    slots[HOST.processStartUnixMs] = processStartMs;
  }

  function sampleProcessMemory(slots: Float64Array): void {
    const memory = andThen(statm.read(), (text) => parseStatm(text, pageBytes));
    slots[HOST.processRssBytes] = memory.value?.rss ?? Number.NaN;
    slots[HOST.processSharedBytes] = memory.value?.shared ?? Number.NaN;
    slots[HOST.processMemReason] = memory.reason;
  }

  function sampleMemory(slots: Float64Array): void {
    const { reason, value } = andThen(meminfo.read(), parseMeminfo);
    slots[HOST.memTotalBytes] = value?.total ?? Number.NaN;
    slots[HOST.memAvailableBytes] = value?.available ?? Number.NaN;
    slots[HOST.swapTotalBytes] = value?.swapTotal ?? Number.NaN;
    slots[HOST.swapFreeBytes] = value?.swapFree ?? Number.NaN;
    slots[HOST.memReason] = value !== null && !isKnown(value.available) ? REASON.missing : reason;
  }

  function samplePressure(slots: Float64Array): void {
    const directory = cgroup.pressureDirectory();
    slots[HOST.psiScope] = Number.NaN;
    if (directory !== pressureDirectory) {
      for (const file of pressureFiles) file.close();
      const path = (name: string): string =>
        directory === null ? `${root}/proc/pressure/${name}` : `${root}${directory}/${name}.pressure`;
      pressureFiles = ['cpu', 'memory', 'io'].map((name) => createKeptFile(path(name)));
      pressureDirectory = directory;
    }
    const [cpuPressure, memory, io] = pressureFiles.map((file) => andThen(file.read(), parsePressure));
    const facts = [cpuPressure, memory, io];
    if (facts.some((one) => one?.reason === REASON.ok)) slots[HOST.psiScope] = directory === null ? 0 : 1;
    slots[HOST.psiCpuSomeAvg10] = cpuPressure?.value?.some.avg10 ?? Number.NaN;
    slots[HOST.psiCpuSomeAvg60] = cpuPressure?.value?.some.avg60 ?? Number.NaN;
    slots[HOST.psiCpuSomeTotalUs] = cpuPressure?.value?.some.total ?? Number.NaN;
    slots[HOST.psiMemorySomeAvg10] = memory?.value?.some.avg10 ?? Number.NaN;
    slots[HOST.psiMemoryFullAvg10] = memory?.value?.full.avg10 ?? Number.NaN;
    slots[HOST.psiMemorySomeTotalUs] = memory?.value?.some.total ?? Number.NaN;
    slots[HOST.psiIoSomeAvg10] = io?.value?.some.avg10 ?? Number.NaN;
    slots[HOST.psiIoFullAvg10] = io?.value?.full.avg10 ?? Number.NaN;
    slots[HOST.psiIoSomeTotalUs] = io?.value?.some.total ?? Number.NaN;
    for (const [index, slot] of [HOST.psiCpuReason, HOST.psiMemoryReason, HOST.psiIoReason].entries())
      slots[slot] = facts[index]?.reason ?? REASON.missing;
  }

  function countOpenFiles(): Fact<number> {
    try {
      return fact(readdirSync(`${root}/proc/self/fd`).length);
    } catch (error) {
      return noFact(reasonOf(error));
    }
  }

  function sampleOpenFiles(nowMs: number, slots: Float64Array): void {
    const open = countOpenFiles();
    if (nowMs >= maxFilesDueMs) {
      maxFiles = andThen(limits.read(), parseOpenFilesLimit);
      if (maxFiles.reason === REASON.ok) maxFilesDueMs = nowMs + MAX_FILES_EVERY_MS;
    }
    slots[HOST.openFds] = open.value ?? Number.NaN;
    slots[HOST.maxFds] = maxFiles.value ?? Number.NaN;
    slots[HOST.fdReason] = open.reason === REASON.ok ? maxFiles.reason : open.reason;
  }

  return {
    sample(nowMs, wallMs, slots, cores) {
      const due = dueAt(nowMs);
      if (due.slow) sampleLoadAndUptime(nowMs, slots);
      slots[HOST.uptimeSeconds] = uptimeSeconds + (nowMs - uptimeAtMs) / 1000;
      if (due.counters) {
        slots[HOST.cpuReason] = sampleCpu(slots, cores);
        sampleProcess(nowMs, wallMs, slots);
        sampleProcessMemory(slots);
      }
      // The memory that this process can run out of: that of its container where it has a limit, else the host's.
      const isLimited = isKnown(slots[HOST.cgroupMemoryLimitBytes] ?? Number.NaN);
      if (due.counters || !isLimited) sampleMemory(slots);
      cgroup.sample(nowMs, due.counters || isLimited, due, slots);
      if (due.slow || cgroup.pressureDirectory() !== pressureDirectory) samplePressure(slots);
      if (due.slow) sampleOpenFiles(nowMs, slots);
    },
    close() {
      for (const file of [...keptFiles, ...pressureFiles]) file.close();
      cgroup.close();
    },
  };
}
