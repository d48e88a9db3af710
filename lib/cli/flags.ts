import type { HealthOptions } from '../config/options.js';
import { flagName, OPTIONS, type OptionSpec } from '../config/schema.js';
import { didYouMean } from '../config/suggest.js';
import { parseValue } from '../config/values.js';

/** A command line that cannot be understood: exit code 64. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `serve` always stops on signals, so `shutdown` itself is no flag; nor is what only an application can use. */
export const FLAG_OPTIONS: readonly OptionSpec[] = OPTIONS.filter(({ isNoFlag }) => isNoFlag !== true);

/**
 * Flags of `serve` as options: `--name value`, `--name=value`; a boolean alone is true, `--no-name` is false.
 * @param others flags that the command has besides: what is unknown may be one of them, misspelt
 */
export function parseFlags(args: readonly string[], others: readonly string[] = []): HealthOptions {
  const options: Record<string, unknown> = {};
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, flag = argument, inline] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [];
    const negated = flag.startsWith('--no-');
    const spec = specOf(negated ? `--${flag.slice('--no-'.length)}` : flag);
    const isSwitch = spec?.kind.type === 'boolean';
    if (spec === undefined || (negated && !isSwitch)) throw unknown(argument, flag, others);
    if (negated && inline !== undefined) throw new UsageError(`${flag} takes no value`);
    const text = inline ?? (isSwitch ? 'true' : rest.shift());
    if (text === undefined) throw new UsageError(`${flag} needs a value`);
    assign(options, spec.name, negated ? false : parse(flag, spec, text));
  }
  return options as HealthOptions;
}

function specOf(flag: string): OptionSpec | undefined {
  return FLAG_OPTIONS.find(({ name }) => flagName(name) === flag);
}

function unknown(argument: string, flag: string, others: readonly string[]): UsageError {
  if (!flag.startsWith('-')) return new UsageError(`unexpected argument ${JSON.stringify(argument)}`);
  const known = [...others, ...FLAG_OPTIONS.map(({ name }) => flagName(name)), '--help'];
  return new UsageError(`unknown flag ${flag}${didYouMean(flag, known)}`);
}

function parse(flag: string, spec: OptionSpec, text: string): unknown {
  try {
    return parseValue(flag, spec.kind, text);
  } catch (error) {
    // What was typed is a matter of usage; only what comes from the environment or from combinations is configuration.
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function assign(options: Record<string, unknown>, name: string, value: unknown): void {
  const [head = name, tail] = name.split('.');
  if (tail === undefined) options[head] = value;
  else options[head] = { ...(options[head] as object | undefined), [tail]: value };
}
