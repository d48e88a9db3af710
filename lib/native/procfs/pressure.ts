import { REASON } from '../layout.js';
import { type Fact, fact, noFact } from './fact.js';
import { fieldsOf, parseDecimal } from './text.js';

/** Averages in percent (0 to 100), totals in microseconds; NaN = not there. */
export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly total: number;
}

export interface Pressure {
  readonly some: PressureLine;
  readonly full: PressureLine;
}

const ABSENT: PressureLine = { avg10: Number.NaN, avg60: Number.NaN, total: Number.NaN };

function parseLine(fields: readonly string[]): PressureLine | null {
  const values = new Map<string, number>();
  for (const field of fields) {
    const [key, value] = field.split('=', 2);
    if (key === undefined || value === undefined) return null;
    const number = parseDecimal(value);
    if (Number.isNaN(number)) return null;
    values.set(key, number);
  }
  const [avg10, avg60, total] = ['avg10', 'avg60', 'total'].map((key) => values.get(key) ?? Number.NaN);
  if (avg10 === undefined || avg60 === undefined || total === undefined) return null;
  return avg10 <= 100 && avg60 <= 100 && total >= 0 ? { avg10, avg60, total } : null;
}

export function parsePressure(text: string): Fact<Pressure> {
  let some: PressureLine | null = null;
  let full = ABSENT;
  for (const line of text.split('\n')) {
    const [kind, ...fields] = fieldsOf(line);
    if (kind !== 'some' && kind !== 'full') continue;
    const parsed = parseLine(fields);
    if (parsed === null) return noFact(REASON.malformed);
    if (kind === 'some') some = parsed;
    else full = parsed;
  }
  return some === null ? noFact(REASON.malformed) : fact({ some, full });
}
