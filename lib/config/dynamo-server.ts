import { DYNAMO_NAMES, textOf } from './dynamo-names.js';
import type { Environment } from './environment.js';
import { invalid, parseValue } from './values.js';

/** Whether and where Dynamo's variables want a system status server. */
export interface DynamoServer {
  readonly isOn: boolean;
  /** Turned off in so many words; without any `DYN_SYSTEM_*` variable neither holds. */
  readonly isOff: boolean;
  /** Null: not given, so ours. */
  readonly port: number | null;
  readonly host: string | null;
  /** Any variable of `DYN_SYSTEM_*` that we know is set: this process is a Dynamo worker. */
  readonly isWorker: boolean;
}

/** Throws ERR_CONFIG_INVALID that names the variable. Dynamo's own grammar for the port ends at 32767; ours does not. */
export function dynamoServer(environment: Environment): DynamoServer {
  const text = (name: string): string | null => textOf(environment, name);
  const isWorker = DYNAMO_NAMES.some((name) => name.startsWith('DYN_SYSTEM_') && text(name) !== null);
  const port = portOf(text('DYN_SYSTEM_PORT'));
  const enabled = text('DYN_SYSTEM_ENABLED');
  const isDisabled =
    enabled !== null && parseValue('DYN_SYSTEM_ENABLED', { type: 'boolean' }, enabled) === false;
  const isOff = isDisabled || (port !== null && port < 0);
  return {
    isOn: isWorker && !isOff,
    isOff,
    port: isOff ? null : port,
    host: hostOf(text('DYN_SYSTEM_HOST')),
    isWorker,
  };
}

function portOf(text: string | null): number | null {
  if (text === null) return null;
  // Dynamo's type is a signed 16 bit integer, any negative of which turns the server off.
  if (!/^[+-]?\d{1,5}$/.test(text) || Number(text) > 65535 || Number(text) < -32768)
    throw invalid('DYN_SYSTEM_PORT', 'a port from 0 to 65535, or -1 for no server', text);
  return Number(text);
}

/** Dynamo wants an IPv6 address in brackets and quotes, `"[::1]"`; the brackets and the quotes are optional here. */
function hostOf(text: string | null): string | null {
  if (text === null) return null;
  const bare = text.replace(/^"(.*)"$/, '$1').replace(/^\[(.*)\]$/, '$1');
  if (bare === '' || /[\s\0]/.test(bare))
    throw invalid('DYN_SYSTEM_HOST', 'an IP address or localhost', text);
  return bare;
}
