export type Kind =
  | { readonly type: 'integer' | 'number'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'string' }
  | { readonly type: 'choice'; readonly values: readonly string[] }
  | { readonly type: 'list' }
  | { readonly type: 'devices' }
  | { readonly type: 'listeners' }
  /** An object in code, JSON in a variable. */
  | { readonly type: 'json' }
  /** True, false or an object with these keys: a feature that is off until it is asked for. */
  | { readonly type: 'section'; readonly keys: readonly string[] };

/** One option: the single source of validation, environment names, flags and the table in `docs/configuration.md`. */
export interface OptionSpec {
  /** Path inside the options object. */
  readonly name: string;
  readonly kind: Kind;
  readonly fallback: string | number | boolean | null;
  readonly meaning: string;
  /** Not a flag of `serve`: it needs an application, or a secret does not belong on a command line. */
  readonly isNoFlag?: boolean;
}

/** Value of an option by its name, validated. */
export type Get = <T>(name: string) => T;

export const DAY_MS = 86_400_000;
export const integer = (min: number, max: number): Kind => ({ type: 'integer', min, max });
/** Milliseconds, from `min` to a day. */
export const milliseconds = (min: number): Kind => ({ type: 'number', min, max: DAY_MS });
export const choice = (...values: string[]): Kind => ({ type: 'choice', values });

/** Last parts of the names in `specs` that begin with `<head>.`. */
export function keysOf(head: string, specs: readonly OptionSpec[]): string[] {
  return specs
    .filter(({ name }) => name.startsWith(`${head}.`))
    .map(({ name }) => name.slice(head.length + 1));
}
