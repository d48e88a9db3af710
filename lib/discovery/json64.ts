/** JSON whose integers keep all their digits: those that a number cannot hold exactly are bigints, both ways. */
import { randomBytes } from 'node:crypto';

export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Nobody who writes a record can know it, so no string of theirs is taken for a number. */
const MARK = `${randomBytes(12).toString('hex')}:`;
const LONG_DIGITS = /\d{16}/;
/**
 * Strings as a whole, so that digits inside them are none of its business; then numbers. A string without an end is one too:
 * looked for anew at each of its quotes, the end would take seconds not to be found.
 */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?[1-9]\d*$/;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');

/** @throws SyntaxError as `JSON.parse` does */
export function parseJson64(text: string): Json {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text) as Json;
  const marked = text.replace(TOKENS, (token) =>
    INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token,
  );
  return unmark(JSON.parse(marked) as Json);
}

/** In place, and by hand: a reviver takes four times as long. */
function unmark(value: Json): Json {
  if (typeof value === 'string') return value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  const parts = value as Record<string, Json>;
  for (const name of Object.keys(parts)) {
    const part = parts[name] as Json;
    const next = unmark(part);
    if (next !== part) Object.defineProperty(parts, name, { value: next });
  }
  return value;
}

export function stringifyJson64(value: Json): string {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint' ? `${MARK}${each}` : each,
  );
  return text.replace(MARKED, '$1');
}
