/** Fields of a request one by one. Unset is absent or null, as clients send it. */
import { BadRequest } from './bad-request.js';

export type Fields = Readonly<Record<string, unknown>>;

/** @throws BadRequest */
export function optional<T>(
  fields: Fields,
  name: string,
  expected: string,
  is: (value: unknown) => value is T,
): T | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (!is(value)) throw new BadRequest(name, expected, value);
  return value;
}

/** @throws BadRequest */
export const numberOf = (fields: Fields, name: string, from: number, to: number): number | undefined =>
  optional(fields, name, `a number from ${from} to ${to}`, (value) => isWithin(value, from, to));

/**
 * @param why ends what is said to be expected
 * @throws BadRequest
 */
export const integerOf = (
  fields: Fields,
  name: string,
  from: number,
  to: number,
  why = '',
): number | undefined =>
  optional(
    fields,
    name,
    `an integer from ${from} to ${to}${why}`,
    (value): value is number => isWithin(value, from, to) && Number.isInteger(value),
  );

/** @throws BadRequest */
export const booleanOf = (fields: Fields, name: string): boolean | undefined =>
  optional(fields, name, 'true or false', (value) => typeof value === 'boolean');

export const isWithin = (value: unknown, from: number, to: number): value is number =>
  typeof value === 'number' && value >= from && value <= to;
