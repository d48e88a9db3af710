import { REASON } from '../layout.js';
import { type Fact, fact, isKnown, noFact } from './fact.js';
import { fieldsOf, parseDecimal, parseUnsigned } from './text.js';

export interface ProcessStat {
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly threads: number;
  /** Since boot. */
  readonly startTicks: number;
}

/** /proc/self/stat; the title in parentheses may hold anything, so that fields count from the last `)`. */
export function parseProcessStat(text: string): Fact<ProcessStat> {
  const titleEnd = text.lastIndexOf(')');
  if (titleEnd < 0) return noFact(REASON.malformed);
  const fields = fieldsOf(text.slice(titleEnd + 1).split('\n')[0] ?? '');
  // Numbering of proc(5), where the field after the title is the third.
  const at = (number: number): number => parseUnsigned(fields[number - 3]);
  const stat = { userTicks: at(14), systemTicks: at(15), threads: at(20), startTicks: at(22) };
  return Object.values(stat).every(isKnown) ? fact(stat) : noFact(REASON.malformed);
}

export function parseLoadavg(text: string): Fact<readonly [number, number, number]> {
  const [one, five, fifteen] = fieldsOf(text.split('\n')[0] ?? '').map(parseDecimal);
  if (one === undefined || five === undefined || fifteen === undefined) return noFact(REASON.malformed);
  return [one, five, fifteen].every(isKnown) ? fact([one, five, fifteen]) : noFact(REASON.malformed);
}

/** Seconds. */
export function parseUptime(text: string): Fact<number> {
  const seconds = parseDecimal(fieldsOf(text.split('\n')[0] ?? '')[0]);
  return isKnown(seconds) ? fact(seconds) : noFact(REASON.malformed);
}

/** The soft limit of open files in /proc/self/limits. */
export function parseOpenFilesLimit(text: string): Fact<number> {
  const name = 'Max open files';
  const line = text.split('\n').find((candidate) => candidate.startsWith(name));
  const soft = fieldsOf(line?.slice(name.length) ?? '')[0];
  if (soft === 'unlimited') return noFact(REASON.unlimited);
  const limit = parseUnsigned(soft);
  return isKnown(limit) ? fact(limit) : noFact(REASON.malformed);
}
