import { InferenceHealthError } from '../errors.js';
import { didYouMean } from './suggest.js';
import { invalid } from './values.js';

export function requireObject(where: string, value: unknown, expected = 'an object'): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(where, expected, value);
}

export function rejectUnknown(where: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `unknown ${where} '${key}'${didYouMean(key, known)}; known: ${known.join(', ')}`,
    );
  }
}

/** Names of all options of a type. One that the type has and the list has not, or the other way round, does not compile. */
export function keysOf<T>(keys: Readonly<Record<keyof Required<T>, true>>): readonly string[] {
  return Object.keys(keys);
}
