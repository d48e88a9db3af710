import { readdirSync } from 'node:fs';
import { CORES_BUSY_RATIO, CORES_COUNT, HOST, REASON } from '../layout.js';
import { createCgroupReader } from './cgroup-reader.js';
import { type CpuMeter, createCpuMeter, parseCpuStat } from './cpu.js';
import { andThen, type Fact, fact, isKnown, noFact, type Reason } from './fact.js';
import { createKeptFile, type KeptFile, reasonOf } from './kept-file.js';
import { parseMeminfo, parseStatm } from './memory.js';
import { parsePressure } from './pressure.js';
import { parseLoadavg, parseOpenFilesLimit, parseProcessStat, parseUptime } from './process.js';
import { createRate, MIN_WINDOW_MS } from './rate.js';

/** Of every Linux that Node runs on: USER_HZ is 100 by ABI. */
const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1000 / TICKS_PER_SECOND;
const MAX_FILES_EVERY_MS = 60_000;

export interface HostReader {
  /** Fills the host slots, which are all NaN before, and `cores` (empty = not wanted). `nowMs` is CLOCK_MONOTONIC. */
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
  let cpuUpdatedMs = Number.NEGATIVE_INFINITY;
  const processCpu = createRate();
  let processStartMs = Number.NaN;
  let maxFiles: Fact<number> = noFact(REASON.missing);
  let maxFilesDueMs = 0;
  let pressureDirectory: string | null | undefined;
  let pressureFiles: readonly KeptFile[] = [];

  function sampleCpu(nowMs: number, slots: Float64Array, cores: Float64Array): Reason {
    if (cores.length > 0) cores[CORES_COUNT] = 0;
    const parsed = andThen(stat.read(), parseCpuStat);
    if (parsed.value === null) return parsed.reason;
    const { total, cores: coreTimes } = parsed.value;
    if (coreTimes.size > 0) slots[HOST.cpuCount] = coreTimes.size;
    const isDue = cpu.ratios() === null || nowMs - cpuUpdatedMs >= MIN_WINDOW_MS;
    if (isDue) {
      cpu.update(total);
      cpuUpdatedMs = nowMs;
    }
    let next = CORES_BUSY_RATIO;
    for (const [core, times] of coreTimes) {
      if (next >= cores.length) break;
      const meter = coreMeters.get(core) ?? createCpuMeter();
      coreMeters.set(core, meter);
      if (isDue) meter.update(times);
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

  function sampleProcess(nowMs: number, wallMs: number, uptimeSeconds: number, slots: Float64Array): void {
    const parsed = andThen(selfStat.read(), parseProcessStat);
    slots[HOST.threadsReason] = parsed.reason;
    slots[HOST.processCpuReason] = parsed.reason;
    if (parsed.value !== null) {
      const { userTicks, systemTicks, threads, startTicks } = parsed.value;
      slots[HOST.threads] = threads;
      slots[HOST.processCpuUserMs] = userTicks * MS_PER_TICK;
      slots[HOST.processCpuSystemMs] = systemTicks * MS_PER_TICK;
      const cores = processCpu.update(nowMs, (userTicks + systemTicks) * MS_PER_TICK, nowMs);
      slots[HOST.processCpuCores] = cores;
      if (!isKnown(cores)) slots[HOST.processCpuReason] = REASON.needsSecondSample;
      if (!isKnown(processStartMs)) {
        // The real /proc/uptime is the container's under lxcfs; Node knows its own age.
        const ageMs = root === '' ? process.uptime() * 1000 : uptimeSeconds * 1000 - startTicks * MS_PER_TICK;
        processStartMs = ageMs >= 0 ? wallMs - ageMs : Number.NaN;
      }
    }
    slots[HOST.processStartUnixMs] = processStartMs;

    const memory = andThen(statm.read(), (text) => parseStatm(text, pageBytes));
    slots[HOST.processRssBytes] = memory.value?.rss ?? Number.NaN;
    slots[HOST.processSharedBytes] = memory.value?.shared ?? Number.NaN;
    slots[HOST.processMemReason] = memory.reason;
  }

  function sampleMemory(slots: Float64Array): number {
    const { reason, value } = andThen(meminfo.read(), parseMeminfo);
    slots[HOST.memTotalBytes] = value?.total ?? Number.NaN;
    slots[HOST.memAvailableBytes] = value?.available ?? Number.NaN;
    slots[HOST.swapTotalBytes] = value?.swapTotal ?? Number.NaN;
    slots[HOST.swapFreeBytes] = value?.swapFree ?? Number.NaN;
    slots[HOST.memReason] = value !== null && !isKnown(value.available) ? REASON.missing : reason;
    return value?.total ?? Number.NaN;
  }

  function samplePressure(slots: Float64Array): void {
    const directory = cgroup.pressureDirectory();
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
      slots[HOST.cpuReason] = sampleCpu(nowMs, slots, cores);
      const load = andThen(loadavg.read(), parseLoadavg);
      [HOST.load1, HOST.load5, HOST.load15].forEach((slot, index) => {
        slots[slot] = load.value?.[index] ?? Number.NaN;
      });
      slots[HOST.loadReason] = load.reason;
      const up = andThen(uptime.read(), parseUptime);
      slots[HOST.uptimeSeconds] = up.value ?? Number.NaN;
      slots[HOST.uptimeReason] = up.reason;
      sampleProcess(nowMs, wallMs, up.value ?? Number.NaN, slots);
      cgroup.sample(nowMs, sampleMemory(slots), slots);
      samplePressure(slots);
      sampleOpenFiles(nowMs, slots);
    },
    close() {
      for (const file of [...keptFiles, ...pressureFiles]) file.close();
      cgroup.close();
    },
  };
}
