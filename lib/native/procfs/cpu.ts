import { REASON } from '../layout.js';
import { type Fact, fact, noFact } from './fact.js';
import { fieldsOf, parseUnsigned } from './text.js';

/** Clock ticks: user, nice, system, idle, iowait, irq, softirq, steal. Guest time is inside the first two. */
export type CpuTimes = readonly number[];

const COLUMNS = 8;
const LEAST_COLUMNS = 4;
const [USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL] = [0, 1, 2, 3, 4, 5, 6, 7];

export interface CpuStat {
  readonly total: CpuTimes;
  /** In the order of the file, keyed by the N of cpuN: offline cores leave gaps. */
  readonly cores: ReadonlyMap<number, CpuTimes>;
}

function parseTimes(fields: readonly string[]): CpuTimes | null {
  const ticks = fields.slice(1, 1 + COLUMNS).map(parseUnsigned);
  if (ticks.length < LEAST_COLUMNS || ticks.some(Number.isNaN)) return null;
  return [...ticks, ...new Array<number>(COLUMNS - ticks.length).fill(0)];
}

/** The "cpu" lines of /proc/stat, which come first. */
export function parseCpuStat(text: string): Fact<CpuStat> {
  const [first = '', ...lines] = text.split('\n');
  const fields = fieldsOf(first);
  const total = fields[0] === 'cpu' ? parseTimes(fields) : null;
  if (total === null) return noFact(REASON.malformed);
  const cores = new Map<number, CpuTimes>();
  for (const line of lines) {
    if (!line.startsWith('cpu')) break;
    const coreFields = fieldsOf(line);
    const core = parseUnsigned(coreFields[0]?.slice(3));
    const times = parseTimes(coreFields);
    if (Number.isNaN(core) || times === null) return noFact(REASON.malformed);
    cores.set(core, times);
  }
  // Sandboxes without processor accounting print nothing but zeros.
  return total.some((ticks) => ticks > 0) ? fact({ total, cores }) : noFact(REASON.unsupported);
}

export interface CpuRatios {
  readonly busy: number;
  readonly user: number;
  readonly system: number;
  readonly iowait: number;
  readonly steal: number;
}

export interface CpuMeter {
  update(now: CpuTimes): void;
  /** Null until the second sample that advanced. */
  ratios(): CpuRatios | null;
}

/** An idle time that falls by more is a core that went offline, not jitter: 3 s. */
const IDLE_RESET_TICKS = 300;

export function createCpuMeter(): CpuMeter {
  let before: CpuTimes | null = null;
  let ratios: CpuRatios | null = null;
  return {
    ratios: () => ratios,
    update(now) {
      const previous = before;
      const at = (times: CpuTimes, column: number): number => times[column] ?? 0;
      if (previous === null || at(now, IDLE) + IDLE_RESET_TICKS < at(previous, IDLE)) {
        before = now;
        return;
      }
      // iowait runs backwards on real kernels: each column is clamped on its own.
      const delta = now.map((ticks, column) => Math.max(0, ticks - at(previous, column)));
      const total = delta.reduce((sum, ticks) => sum + ticks, 0);
      if (total <= 0) return;
      before = now;
      const share = (...columns: readonly number[]): number =>
        columns.reduce((sum, column) => sum + at(delta, column), 0) / total;
      ratios = {
        busy: 1 - share(IDLE, IOWAIT),
        user: share(USER, NICE),
        system: share(SYSTEM, IRQ, SOFTIRQ),
        iowait: share(IOWAIT),
        steal: share(STEAL),
      };
    },
  };
}
