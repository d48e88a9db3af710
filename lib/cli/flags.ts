import type { HealthOptions } from '../config/options.js';
import { flagName, OPTIONS } from '../config/schema.js';
import { didYouMean } from '../config/suggest.js';
import { parseValue } from '../config/values.js';

/** A command line that cannot be understood: exit code 64. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Flags of `serve` as options: `--name value`, `--name=value`; a boolean alone is true, `--no-name` is false. */
export function parseFlags(args: readonly string[]): HealthOptions {
  const options: Record<string, unknown> = {};
  const known = OPTIONS.map(({ name }) => flagName(name));
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, flag = argument, inline] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [];
    const negated = flag.startsWith('--no-');
    const spec = OPTIONS.find(
      ({ name }) => flagName(name) === (negated ? `--${flag.slice('--no-'.length)}` : flag),
    );
    if (spec === undefined || (negated && spec.kind.type !== 'boolean')) {
      const hint = flag.startsWith('--') ? didYouMean(flag, known) : '';
      throw new UsageError(
        flag.startsWith('-')
          ? `unknown flag ${flag}${hint}`
          : `unexpected argument ${JSON.stringify(argument)}`,
      );
    }
    const isSwitch = spec.kind.type === 'boolean' || spec.kind.type === 'shutdown';
    const text = inline ?? (isSwitch ? 'true' : rest.shift());
    if (text === undefined) throw new UsageError(`${flag} needs a value`);
    assign(options, spec.name, negated ? false : parseValue(flag, spec.kind, text));
  }
  return options as HealthOptions;
}

function assign(options: Record<string, unknown>, name: string, value: unknown): void {
  const [head = name, tail] = name.split('.');
  if (tail === undefined) options[head] = value;
  else options[head] = { ...(options[head] as object | undefined), [tail]: value };
}
