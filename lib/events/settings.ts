import { textOf } from '../config/dynamo-names.js';
import type { Environment } from '../config/environment.js';
import { keysOf, rejectUnknown, requireObject } from '../config/keys.js';
import { serverList } from '../config/servers.js';
import { readSmallFile } from '../config/small-file.js';
import { invalid, parseValue } from '../config/values.js';
import type { NatsOptions } from './options.js';

/** As Dynamo: the first of these that is there. */
export type NatsAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'user'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  | { readonly kind: 'credentials'; readonly file: string };

export interface NatsSettings {
  readonly servers: readonly string[];
  readonly auth: NatsAuth;
  readonly tlsCa: string | null;
  readonly tlsInsecure: boolean;
  readonly namespace: string;
  /** Null: the caller's default. */
  readonly component: string | null;
}

const KEYS = keysOf<NatsOptions>({
  servers: true,
  user: true,
  password: true,
  token: true,
  nkey: true,
  credentialsFile: true,
  tlsCa: true,
  tlsInsecure: true,
  namespace: true,
  component: true,
});
type Text = (key: keyof NatsOptions, variable: string) => string | null;

const NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/**
 * Null: NATS is off, by `false` or because nothing names a server.
 * @throws InferenceHealthError ERR_CONFIG_INVALID; no message shows a password, token or seed
 */
export function natsSettings(
  options: NatsOptions | false | undefined,
  environment: Environment,
): NatsSettings | null {
  if (options === false) return null;
  const given = options ?? {};
  requireObject('option events', given, 'false or an object');
  rejectUnknown('option events', given, KEYS);
  const text: Text = (key, variable) => {
    const value = given[key];
    if (value === undefined) return textOf(environment, variable);
    // Never shown: it may be a secret.
    if (typeof value !== 'string' || value === '')
      throw invalid(`option events.${key}`, 'a text', typeof value);
    return value;
  };
  const servers = serversOf(given, environment);
  if (servers === null) return null;
  const insecure = textOf(environment, 'NATS_TLS_INSECURE');
  const tlsCa = text('tlsCa', 'NATS_TLS_CA_CERT_PATH');
  if (tlsCa !== null)
    readSmallFile(given.tlsCa === undefined ? 'NATS_TLS_CA_CERT_PATH' : 'option events.tlsCa', tlsCa);
  return {
    servers,
    auth: authOf(text),
    tlsCa,
    tlsInsecure:
      given.tlsInsecure ??
      (insecure !== null && parseValue('NATS_TLS_INSECURE', { type: 'boolean' }, insecure) === true),
    namespace: nameOf('namespace', text('namespace', 'DYN_NAMESPACE') ?? 'dynamo'),
    component: given.component === undefined ? null : nameOf('component', given.component),
  };
}

function serversOf({ servers }: NatsOptions, environment: Environment): readonly string[] | null {
  const where = servers === undefined ? 'NATS_SERVER' : 'option events.servers';
  const value = servers ?? textOf(environment, 'NATS_SERVER');
  if (value === null) return null;
  if (typeof value !== 'string' && !(Array.isArray(value) && value.every((each) => typeof each === 'string')))
    throw invalid(where, 'a text or an array of texts', typeof value);
  return natsServers(where, typeof value === 'string' ? value.split(',') : value);
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function natsServers(where: string, servers: readonly string[]): readonly string[] {
  return serverList(where, servers, {
    // Not over WebSocket: the client of Node has none.
    schemes: ['nats', 'tls'],
    defaultPort: 4222,
    credentials: 'user and password beside it (NATS_AUTH_USERNAME and NATS_AUTH_PASSWORD)',
  });
}

function authOf(text: Text): NatsAuth {
  const user = text('user', 'NATS_AUTH_USERNAME');
  const password = text('password', 'NATS_AUTH_PASSWORD');
  if ((user === null) !== (password === null))
    throw invalid(
      'events',
      'user and password together',
      user === null ? 'a password alone' : 'a user alone',
    );
  if (user !== null && password !== null) return { kind: 'user', user, password };
  const token = text('token', 'NATS_AUTH_TOKEN');
  if (token !== null) return { kind: 'token', token };
  const seed = text('nkey', 'NATS_AUTH_NKEY');
  if (seed !== null) {
    if (!/^SU[A-Z2-7]{56}$/.test(seed))
      throw invalid('events', 'an nkey: the seed of a user, SU…', 'another text');
    return { kind: 'nkey', seed };
  }
  const file = text('credentialsFile', 'NATS_AUTH_CREDENTIALS_FILE');
  return file === null ? { kind: 'none' } : { kind: 'credentials', file };
}

function nameOf(key: string, name: string): string {
  if (typeof name !== 'string' || name.length > 200 || !NAME.test(name))
    throw invalid(`events: ${key}`, 'letters, digits, _ and -, in parts between dots', name);
  return name;
}
