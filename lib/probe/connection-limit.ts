import { readFileSync } from 'node:fs';

/** The descriptors are the application's: probe clients get a third of them. */
const SHARE = 1 / 3;
const LEAST = 64;
/** A connection costs node:http some 10 KB. */
const MOST = 8_192;
/** Where the system does not tell how many descriptors there are. */
const UNKNOWN = 512;

/**
 * How many connections all listeners of this process may hold at a time. Without a limit, idle connections took every
 * descriptor, and the application could not open a file. Read at the start: Node raises its soft limit before that.
 *
 * @param limits text of /proc/self/limits
 */
export function connectionLimit(limits: string = readLimits()): number {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1];
  if (soft === undefined) return UNKNOWN;
  return soft === 'unlimited' ? MOST : Math.min(MOST, Math.max(LEAST, Math.floor(Number(soft) * SHARE)));
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
