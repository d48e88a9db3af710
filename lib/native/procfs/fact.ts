import { REASON } from '../layout.js';

export type Reason = (typeof REASON)[keyof typeof REASON];

/** A value, or why there is none: mirrors the `Reason` that the C++ parsers return. */
export type Fact<Value> =
  | { readonly reason: typeof REASON.ok; readonly value: Value }
  | { readonly reason: Exclude<Reason, typeof REASON.ok>; readonly value: null };

export function fact<Value>(value: Value): Fact<Value> {
  return { reason: REASON.ok, value };
}

export function noFact(reason: Exclude<Reason, typeof REASON.ok>): Fact<never> {
  return { reason, value: null };
}

/** Parses what was read; a failure to read stays what it is. */
export function andThen<Input, Output>(
  input: Fact<Input>,
  parse: (value: Input) => Fact<Output>,
): Fact<Output> {
  return input.reason === REASON.ok ? parse(input.value) : input;
}

export function isKnown(value: number): boolean {
  return !Number.isNaN(value);
}
