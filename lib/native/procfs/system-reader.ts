import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os';
import { CORES_BUSY_RATIO, CORES_COUNT, HOST, HOST_FIELDS, REASON } from '../layout.js';
import { createCpuMeter } from './cpu.js';
import type { HostReader } from './host-reader.js';
import { createRate } from './rate.js';

/**
 * Where there is no /proc (macOS, Windows): what Node's own modules give. Everything else is `unsupported`, and there are
 * no per-core ratios.
 */
export function createSystemReader(): HostReader {
  const cpu = createCpuMeter();
  const processCpu = createRate();
  return {
    close: () => undefined,
    sample(nowMs, wallMs, slots, cores) {
      for (const field of HOST_FIELDS) if (field.endsWith('Reason')) slots[HOST[field]] = REASON.unsupported;
      if (cores.length > CORES_BUSY_RATIO) cores[CORES_COUNT] = 0;

      const all = cpus();
      const sum = (pick: (times: (typeof all)[number]['times']) => number): number =>
        all.reduce((total, { times }) => total + pick(times), 0);
      // Milliseconds here; the meter only compares.
      cpu.update([
        sum((t) => t.user),
        sum((t) => t.nice),
        sum((t) => t.sys),
        sum((t) => t.idle),
        0,
        sum((t) => t.irq),
        0,
        0,
      ]);
      const ratios = cpu.ratios();
      if (all.length > 0) slots[HOST.cpuCount] = all.length;
      slots[HOST.cpuBusyRatio] = ratios?.busy ?? Number.NaN;
      slots[HOST.cpuUserRatio] = ratios?.user ?? Number.NaN;
      slots[HOST.cpuSystemRatio] = ratios?.system ?? Number.NaN;
      slots[HOST.cpuReason] = ratios === null ? REASON.needsSecondSample : REASON.ok;

      const { user, system } = process.cpuUsage();
      slots[HOST.processCpuUserMs] = user / 1e3;
      slots[HOST.processCpuSystemMs] = system / 1e3;
      const used = processCpu.update(nowMs, (user + system) / 1e3, nowMs);
      slots[HOST.processCpuCores] = used;
      slots[HOST.processCpuReason] = Number.isNaN(used) ? REASON.needsSecondSample : REASON.ok;

      slots[HOST.memTotalBytes] = totalmem();
      slots[HOST.memAvailableBytes] = freemem();
      slots[HOST.memReason] = REASON.ok;
      slots[HOST.processRssBytes] = process.memoryUsage.rss();
      slots[HOST.processMemReason] = REASON.ok;

      // Windows has no load average; Node prints three zeros.
      if (process.platform !== 'win32') {
        const [one = Number.NaN, five = Number.NaN, fifteen = Number.NaN] = loadavg();
        slots[HOST.load1] = one;
        slots[HOST.load5] = five;
        slots[HOST.load15] = fifteen;
        slots[HOST.loadReason] = REASON.ok;
      }
      slots[HOST.uptimeSeconds] = uptime();
      slots[HOST.uptimeReason] = REASON.ok;
      slots[HOST.processStartUnixMs] = wallMs - process.uptime() * 1000;
    },
  };
}
