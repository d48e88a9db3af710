import { textOf } from './dynamo-names.js';
import type { Environment } from './environment.js';
import { readSmallFile } from './small-file.js';
import type { OptionSpec } from './spec.js';
import { checkValue, invalid, parseJson, parseValue } from './values.js';

/** How a variable of Dynamo's is written. */
type Grammar = 'text' | 'boolean' | 'seconds' | 'seconds, below 0 is 0' | 'JSON array' | 'JSON object';

interface DynamoVariable {
  readonly variable: string;
  /** Name of our option that it sets. */
  readonly option: string;
  readonly grammar: Grammar;
}

/** Variables that are options under another name. Of two for one option the first that is set counts. */
export const DYNAMO_VARIABLES: readonly DynamoVariable[] = [
  { variable: 'DYN_SYSTEM_STARTING_HEALTH_STATUS', option: 'startingHealthStatus', grammar: 'text' },
  { variable: 'DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS', option: 'requiredEndpoints', grammar: 'JSON array' },
  { variable: 'DYN_SYSTEM_HEALTH_PATH', option: 'paths.health', grammar: 'text' },
  { variable: 'DYN_SYSTEM_LIVE_PATH', option: 'paths.live', grammar: 'text' },
  { variable: 'DYN_SYSTEM_LIVE_MODE', option: 'liveMode', grammar: 'text' },
  { variable: 'DYN_HEALTH_CHECK_ENABLED', option: 'canary', grammar: 'boolean' },
  { variable: 'DYN_CANARY_WAIT_TIME', option: 'canary.waitMs', grammar: 'seconds' },
  { variable: 'DYN_HEALTH_CHECK_REQUEST_TIMEOUT', option: 'canary.timeoutMs', grammar: 'seconds' },
  { variable: 'DYN_HEALTH_CHECK_PAYLOAD', option: 'canary.payload', grammar: 'JSON object' },
  {
    variable: 'DYN_ENGINE_HEALTH_CHECK_INTERVAL',
    option: 'engineMonitor.checkIntervalMs',
    grammar: 'seconds',
  },
  {
    variable: 'DYN_ENGINE_HEALTH_CHECK_TIMEOUT',
    option: 'engineMonitor.checkTimeoutMs',
    grammar: 'seconds, below 0 is 0',
  },
  {
    variable: 'DYN_ENGINE_HEALTH_SHUTDOWN_TIMEOUT',
    option: 'engineMonitor.shutdownTimeoutMs',
    grammar: 'seconds, below 0 is 0',
  },
  {
    variable: 'DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS',
    option: 'shutdown.lameDuckMs',
    grammar: 'seconds, below 0 is 0',
  },
  {
    variable: 'DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT',
    option: 'shutdown.gracePeriodMs',
    grammar: 'seconds',
  },
  {
    variable: 'DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS',
    option: 'shutdown.gracePeriodMs',
    grammar: 'seconds',
  },
];

/** What Dynamo's variables say about an option; undefined where they do not. Throws ERR_CONFIG_INVALID naming the variable. */
export function dynamoValue(spec: OptionSpec, environment: Environment): unknown {
  for (const { variable, option, grammar } of DYNAMO_VARIABLES) {
    if (option !== spec.name) continue;
    const text = textOf(environment, variable);
    if (text !== null) return parse(variable, grammar, spec, text);
  }
  return undefined;
}

function parse(where: string, grammar: Grammar, spec: OptionSpec, text: string): unknown {
  switch (grammar) {
    case 'text':
    case 'boolean':
      return parseValue(where, spec.kind, unquoted(text));
    case 'seconds':
    case 'seconds, below 0 is 0':
      return seconds(where, grammar, spec, text);
    case 'JSON array':
      return array(where, text);
    case 'JSON object':
      return parseJson(where, text.startsWith('@') ? readSmallFile(where, text.slice(1)) : text);
  }
}

/** Dynamo's own parser takes a value in quotes for the text inside. */
function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/, '$1');
}

function seconds(where: string, grammar: Grammar, { kind }: OptionSpec, text: string): number {
  const given = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  const value = grammar === 'seconds' ? given : Math.max(0, given);
  const { min, max } = kind as { readonly min: number; readonly max: number };
  const valueMs = Math.round(value * 1000);
  if (!(valueMs >= min && valueMs <= max))
    throw invalid(where, `seconds, a number from ${min / 1000} to ${max / 1000}`, text);
  return valueMs;
}

/** `["a","b"]`; quotes may be left out, as Dynamo's own parser allows. */
function array(where: string, text: string): readonly string[] {
  const expected = 'a JSON array of endpoint names, as ["generate"]';
  if (!(text.startsWith('[') && text.endsWith(']'))) throw invalid(where, expected, text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const items = text
      .slice(1, -1)
      .split(',')
      .map((item) => item.trim());
    if (items.some((item) => !/^[A-Za-z][\w-]*$/.test(item))) throw invalid(where, expected, text);
    value = items;
  }
  try {
    return checkValue(where, { type: 'list' }, value) as readonly string[];
  } catch {
    throw invalid(where, expected, text);
  }
}
