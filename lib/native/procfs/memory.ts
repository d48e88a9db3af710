import { REASON } from '../layout.js';
import { type Fact, fact, isKnown, noFact } from './fact.js';
import { fieldsOf, parseUnsigned } from './text.js';

/** Bytes; NaN for a line that the kernel does not print. */
export interface MemoryInfo {
  readonly total: number;
  readonly available: number;
  readonly swapTotal: number;
  readonly swapFree: number;
}

const KIBIBYTE = 1024;

export function parseMeminfo(text: string): Fact<MemoryInfo> {
  const bytes = (key: string): number | null => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(key));
    if (line === undefined) return Number.NaN;
    const value = parseUnsigned(fieldsOf(line.slice(key.length))[0]);
    return isKnown(value) ? value * KIBIBYTE : null;
  };
  const [total, available, swapTotal, swapFree] = [
    'MemTotal:',
    'MemAvailable:',
    'SwapTotal:',
    'SwapFree:',
  ].map(bytes);
  if (total == null || available == null || swapTotal == null || swapFree == null)
    return noFact(REASON.malformed);
  if (!(total > 0)) return noFact(REASON.malformed);
  return fact({ total, available, swapTotal, swapFree });
}

export interface ProcessMemory {
  readonly rss: number;
  readonly shared: number;
}

export function parseStatm(text: string, pageBytes: number): Fact<ProcessMemory> {
  const [, rss, shared] = fieldsOf(text.split('\n')[0] ?? '').map(parseUnsigned);
  if (rss === undefined || shared === undefined || !isKnown(rss) || !isKnown(shared))
    return noFact(REASON.malformed);
  return fact({ rss: rss * pageBytes, shared: shared * pageBytes });
}
