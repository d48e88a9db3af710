import { textOf } from '../config/dynamo-names.js';
import type { Environment } from '../config/environment.js';
import type { HealthOptions } from '../config/options.js';
import type { Kind } from '../config/spec.js';
import { parseValue } from '../config/values.js';
import { parseFlags, UsageError } from './flags.js';

/** A flag of `worker` or `frontend`; all others are those of `serve`, for the probes. */
export interface FleetFlag {
  readonly flag: string;
  readonly kind: Kind;
  readonly placeholder: string;
  readonly meaning: string;
  /** Dynamo's variable for it. */
  readonly variable?: string;
  /** Throws an InferenceHealthError that names `where`, the flag or the variable. */
  readonly check?: (where: string, value: unknown) => unknown;
}

export type FleetValues = Readonly<Record<string, unknown>>;

export const HTTP_PORT: FleetFlag = {
  flag: '--http-port',
  placeholder: 'N',
  kind: { type: 'integer', min: 0, max: 65_535 },
  meaning: 'port of the API, 0: any (8000)',
};

export const HTTP_HOST: FleetFlag = {
  flag: '--http-host',
  placeholder: 'TEXT',
  kind: { type: 'string' },
  meaning: 'address of the API (127.0.0.1)',
};

/** `{ [name]: value }`, or nothing where there is no value. */
export function given<Name extends string, T>(
  name: Name,
  value: T | undefined,
): { readonly [key in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [key in Name]?: T };
}

/**
 * Flags before variables; what neither gives is absent.
 * @throws UsageError for a bad flag, InferenceHealthError ERR_CONFIG_INVALID for a bad variable
 */
export function parseFleetFlags(
  args: readonly string[],
  flags: readonly FleetFlag[],
  environment: Environment,
): { readonly values: FleetValues; readonly health: HealthOptions } {
  const values: Record<string, unknown> = {};
  const others: string[] = [];
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, name = argument, inline] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [];
    const spec = flags.find(({ flag }) => flag === name);
    if (spec === undefined) {
      others.push(argument);
      continue;
    }
    const text = inline ?? (spec.kind.type === 'boolean' ? 'true' : rest.shift());
    if (text === undefined) throw new UsageError(`${name} needs a value`);
    values[name] = parseFlag(name, spec, text);
  }
  for (const spec of flags) {
    const { flag, variable } = spec;
    const text = variable === undefined ? null : textOf(environment, variable);
    if (variable !== undefined && text !== null) values[flag] ??= parse(variable, spec, text);
  }
  return {
    values,
    health: parseFlags(
      others,
      flags.map(({ flag }) => flag),
    ),
  };
}

function parse(where: string, { kind, check }: FleetFlag, text: string): unknown {
  const value = parseValue(where, kind, text);
  check?.(where, value);
  return value;
}

function parseFlag(name: string, spec: FleetFlag, text: string): unknown {
  try {
    return parse(name, spec, text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Where the meanings begin. */
export const HELP_COLUMN = 44;

export function fleetHelp(command: string, intro: string, flags: readonly FleetFlag[]): string {
  const rows = flags.map(({ flag, placeholder, meaning, variable }) => {
    const name = `  ${flag} ${placeholder}`.trimEnd();
    const line = `${name.padEnd(HELP_COLUMN)}${meaning}`;
    return variable === undefined ? line : `${line}\n${' '.repeat(HELP_COLUMN)}[${variable}]`;
  });
  return `Usage: inference-health ${command} [options]

${intro}

${rows.join('\n')}

All flags of \`serve\` set the probes of this process: --port, --host, --listeners …
The signals SIGTERM and SIGINT drain and stop it.

Exit codes: 0 stopped by a signal, 1 uncaught error or engine failure, 64 usage, 69 cannot bind,
75 requests were still in flight at the end of the grace period, 78 configuration.
`;
}
