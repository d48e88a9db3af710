import { readFileSync } from 'node:fs';

/** USER_HZ, the unit of /proc/…/stat, is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/** A process as the kernel has it. */
export interface ProcessState {
  /** Letter of proc(5): R running, S sleeping, D in an uninterruptible wait, T stopped, t traced, Z zombie, … */
  readonly state: string;
  /** Ticks since boot at which it started: a pid is used again, this pair is not. */
  readonly startTicks: number;
  readonly threads: number;
  /** Processor time since it started, milliseconds in steps of 10. */
  readonly cpuMs: number;
}

/**
 * Null where there is no such process, or no /proc. Synchronous: procfs answers from memory, and the thread that asks must
 * not use libuv's pool, which an engine may keep busy.
 */
export function readProcessState(pid: number, procRoot = '/proc'): ProcessState | null {
  const stat = readText(`${procRoot}/${pid}/stat`);
  if (stat === null || !stat.includes(')')) return null;
  // The name in parentheses may itself hold spaces and parentheses; the fields follow the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = Number(fields[19]);
  if (!state || !Number.isFinite(startTicks)) return null;
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  return { state, startTicks, threads: Number(fields[17]), cpuMs };
}

/** Kernel function in which the process's first thread sleeps; null where the kernel does not tell. */
export function readWaitChannel(pid: number, procRoot = '/proc'): string | null {
  const text = readText(`${procRoot}/${pid}/wchan`);
  return text === null || text === '' || text === '0' ? null : text;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
