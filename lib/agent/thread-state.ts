import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the kernel says about one thread of this process. */
export interface ThreadState {
  /** Letter of proc(5): R running, S sleeping, D in an uninterruptible wait, T stopped, … */
  readonly state: string;
  /** Kernel function in which it sleeps; null when it does not, or the kernel does not tell. */
  readonly wchan: string | null;
  /** Number of the system call it is in; null when it is in none, or the kernel does not tell. */
  readonly syscall: number | null;
  /** Processor time since the thread started, milliseconds in steps of 10. */
  readonly cpuMs: number;
}

/** USER_HZ, the unit of /proc/…/stat, is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/** Null where there is no such thread or no /proc. Never throws. */
export function readThreadState(tid: number, procRoot = '/proc'): ThreadState | null {
  const folder = join(procRoot, 'self/task', String(tid));
  const stat = readText(join(folder, 'stat'));
  if (stat === null) return null;
  // The name in parentheses may itself hold spaces and parentheses; the fields follow the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!stat.includes(')') || !state || !Number.isFinite(ticks)) return null;
  const wchan = readText(join(folder, 'wchan'));
  const syscall = Number.parseInt(readText(join(folder, 'syscall')) ?? '', 10);
  return {
    state,
    wchan: wchan === null || wchan === '' || wchan === '0' ? null : wchan,
    syscall: Number.isFinite(syscall) && syscall >= 0 ? syscall : null,
    cpuMs: ticks * MS_PER_TICK,
  };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
