/** Checks of plain data that say which field was wrong, what was expected and what came. */
import { didYouMean } from '../config/suggest.js';
import { invalid } from '../config/values.js';

export type Check = (where: string, value: unknown) => void;

export function number(min: number, max = Number.MAX_SAFE_INTEGER, isWhole = false): Check {
  const least = min === Number.MIN_VALUE ? 'above 0' : `of at least ${min}`;
  const range = max === Number.MAX_SAFE_INTEGER ? least : `from ${min} to ${max}`;
  return (where, value) => {
    const isFit = typeof value === 'number' && value >= min && value <= max;
    if (!isFit || (isWhole && !Number.isInteger(value)))
      throw invalid(where, `${isWhole ? 'an integer' : 'a number'} ${range}`, value);
  };
}

export const count = (min: number, max?: number): Check => number(min, max, true);

export const boolean: Check = (where, value) => {
  if (typeof value !== 'boolean') throw invalid(where, 'true or false', value);
};

export const text: Check = (where, value) => {
  if (typeof value !== 'string' || value === '') throw invalid(where, 'a non-empty string', value);
};

export function oneOf(values: readonly string[]): Check {
  return (where, value) => {
    if (typeof value === 'string' && values.includes(value)) return;
    const near = typeof value === 'string' ? didYouMean(value, values) : '';
    throw invalid(where, `one of ${values.join(', ')}${near}`, value);
  };
}

export function listOf(check: Check): Check {
  return (where, value) => {
    if (!Array.isArray(value)) throw invalid(where, 'an array', value);
    for (const [index, item] of value.entries()) check(`${where}[${index}]`, item);
  };
}

export const texts: Check = (where, value) => {
  const isFit = Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
  if (!isFit) throw invalid(where, 'an array of strings', value);
};

export const variables: Check = (where, value) => {
  const isFit = isObject(value) && Object.values(value).every((item) => typeof item === 'string');
  if (!isFit) throw invalid(where, 'an object of strings', value);
};

/** Either of two kinds, told apart by whether it is an array. */
export function either(plain: Check, list: Check): Check {
  return (where, value) => (Array.isArray(value) ? list : plain)(where, value);
}

/** @param required names that must be there */
export function object(fields: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  const names = Object.keys(fields);
  return (where, value) => {
    if (!isObject(value)) throw invalid(where, `an object with ${names.join(', ')}`, value);
    for (const name of required)
      if (value[name] === undefined) throw invalid(`${where}.${name}`, 'a value', undefined);
    for (const [name, item] of Object.entries(value)) {
      const check = fields[name];
      if (check === undefined)
        throw invalid(`${where}.${name}`, `one of ${names.join(', ')}${didYouMean(name, names)}`, item);
      if (item !== undefined) check(`${where}.${name}`, item);
    }
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
