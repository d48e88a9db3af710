import { readFileSync } from 'node:fs';
import { textOf } from '../config/dynamo-names.js';
import type { Environment } from '../config/environment.js';
import { rejectUnknown, requireObject } from '../config/keys.js';
import { serverList } from '../config/servers.js';
import type { Kind } from '../config/spec.js';
import { checkValue, invalid, parseValue } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { defaultRunDirectory } from './memory/directory.js';
import type { DiscoveryOptions, EtcdOptions } from './options.js';
import type { EndpointName } from './types.js';

export interface EtcdSettings {
  readonly endpoints: readonly string[];
  readonly leaseTtlMs: number;
  readonly hangMs: number;
  readonly callTimeoutMs: number;
  readonly auth: { readonly username: string; readonly password: string } | null;
  /** PEM. */
  readonly tls: { readonly ca: string; readonly cert: string | null; readonly key: string | null } | null;
}

export interface DiscoverySettings {
  readonly backend: 'memory' | 'etcd';
  /** Somebody asked for it: what keeps it from working is an error then. */
  readonly isExplicit: boolean;
  readonly name: EndpointName;
  readonly directory: string;
  readonly etcd: EtcdSettings;
  readonly dynamoRegister: boolean;
  readonly advertise: string | null;
}

const BACKENDS = ['memory', 'mem', 'etcd'];
const TTL_S: Kind = { type: 'integer', min: 1, max: 86_400 };
const OPTION_KINDS: Readonly<Record<string, Kind>> = {
  namespace: { type: 'string' },
  component: { type: 'string' },
  endpoint: { type: 'string' },
  directory: { type: 'string' },
  dynamoRegister: { type: 'boolean' },
  advertise: { type: 'string' },
  backend: { type: 'choice', values: BACKENDS },
  etcd: { type: 'json' },
};
const ETCD_KINDS: Readonly<Record<keyof EtcdOptions, Kind>> = {
  endpoints: { type: 'list' },
  leaseTtlMs: { type: 'number', min: 1000, max: 86_400_000 },
  hangMs: { type: 'number', min: 1000, max: 86_400_000 },
  callTimeoutMs: { type: 'number', min: 10, max: 60_000 },
  username: { type: 'string' },
  password: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
};
/** What may stand between two slashes of a key and two dots of `dyn://namespace.component.endpoint`. */
const NAME = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const PART = /^[A-Za-z0-9_-]+$/;

/**
 * Options before variables before defaults.
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function discoverySettings(options: DiscoveryOptions, environment: Environment): DiscoverySettings {
  checkAll('discovery', options, OPTION_KINDS);
  const etcd = options.etcd ?? {};
  checkAll('discovery.etcd', etcd, ETCD_KINDS);
  const text = (name: string): string | undefined => textOf(environment, name) ?? undefined;

  const named = options.backend ?? text('DYN_DISCOVERY_BACKEND');
  if (named !== undefined && !BACKENDS.includes(named))
    throw invalid('DYN_DISCOVERY_BACKEND', "'memory', 'mem' or 'etcd'", named);
  const endpoints = etcd.endpoints ?? text('ETCD_ENDPOINTS')?.split(',');
  const hasEtcd = endpoints !== undefined || options.etcd !== undefined;
  const backend = named === undefined ? (hasEtcd ? 'etcd' : 'memory') : named === 'etcd' ? 'etcd' : 'memory';
  const endpointsName = etcd.endpoints === undefined ? 'ETCD_ENDPOINTS' : 'discovery.etcd.endpoints';
  const members = etcdEndpoints(endpointsName, endpoints ?? ['http://localhost:2379']);
  const tls = tlsOf(
    pemOf('ETCD_AUTH_CA', etcd.ca ?? text('ETCD_AUTH_CA')),
    pemOf('ETCD_AUTH_CLIENT_CERT', etcd.cert ?? text('ETCD_AUTH_CLIENT_CERT')),
    pemOf('ETCD_AUTH_CLIENT_KEY', etcd.key ?? text('ETCD_AUTH_CLIENT_KEY')),
  );
  if (backend === 'etcd' && tls !== null && members[0]?.startsWith('http:'))
    throw invalid(endpointsName, 'https:// beside certificates', members[0]);
  return {
    backend,
    isExplicit: named !== undefined || hasEtcd || options.directory !== undefined,
    name: {
      namespace: checkNamespace(
        options.namespace === undefined ? 'DYN_NAMESPACE' : 'discovery.namespace',
        options.namespace ?? text('DYN_NAMESPACE') ?? 'dynamo',
      ),
      component: checkPart('discovery.component', options.component ?? 'backend'),
      endpoint: checkPart('discovery.endpoint', options.endpoint ?? 'generate'),
    },
    directory: options.directory ?? defaultRunDirectory(environment),
    etcd: {
      endpoints: members,
      leaseTtlMs: etcd.leaseTtlMs ?? ttlOf(text('ETCD_LEASE_TTL')),
      hangMs: etcd.hangMs ?? 30_000,
      callTimeoutMs: etcd.callTimeoutMs ?? 2000,
      auth: authOf(
        etcd.username ?? text('ETCD_AUTH_USERNAME'),
        etcd.password ?? environment.ETCD_AUTH_PASSWORD,
      ),
      tls,
    },
    dynamoRegister: options.dynamoRegister ?? false,
    advertise: options.advertise ?? null,
  };
}

function checkAll(where: string, options: object, kinds: Readonly<Record<string, Kind>>): void {
  requireObject(`option ${where}`, options);
  rejectUnknown(`option ${where}`, options, Object.keys(kinds));
  for (const [name, kind] of Object.entries(kinds)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined) checkValue(`${where}.${name}`, kind, value);
  }
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export const checkNamespace = (where: string, value: string): string => nameOf(where, value, NAME);
/** Of a component or an endpoint. @throws InferenceHealthError ERR_CONFIG_INVALID */
export const checkPart = (where: string, value: string): string => nameOf(where, value, PART);

function nameOf(where: string, value: string, pattern: RegExp): string {
  if (pattern.test(value)) return value;
  const dots = pattern === NAME ? ', with dots between' : '';
  throw invalid(where, `letters, digits, - and _${dots}`, value);
}

function ttlOf(text: string | undefined): number {
  return text === undefined ? 10_000 : 1000 * (parseValue('ETCD_LEASE_TTL', TTL_S, text) as number);
}

/**
 * All with TLS or none: the client has one kind of connection.
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function etcdEndpoints(where: string, endpoints: readonly string[]): readonly string[] {
  const urls = serverList(where, endpoints, {
    schemes: ['http', 'https'],
    defaultPort: 2379,
    credentials: 'ETCD_AUTH_USERNAME and ETCD_AUTH_PASSWORD',
  });
  if (new Set(urls.map((url) => url.split(':', 1)[0])).size > 1)
    throw invalid(where, 'all members with http:// or all with https://', urls);
  return urls;
}

function authOf(username: string | undefined, password: string | undefined): EtcdSettings['auth'] {
  if (username === undefined && (password === undefined || password === '')) return null;
  if (username === undefined) throw invalid('ETCD_AUTH_USERNAME', 'a user name beside the password', '');
  if (password === undefined || password === '')
    throw invalid('ETCD_AUTH_PASSWORD', `the password of ${username}`, '');
  return { username, password };
}

function pemOf(where: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  if (value.includes('-----BEGIN')) return value;
  try {
    const text = readFileSync(value, 'utf8');
    if (text.includes('-----BEGIN')) return text;
  } catch (error) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `${where}: expected PEM or the path of a PEM file (${(error as Error).message})`,
      { cause: error },
    );
  }
  throw invalid(where, 'PEM or the path of a PEM file', value);
}

function tlsOf(ca: string | null, cert: string | null, key: string | null): EtcdSettings['tls'] {
  if ((cert === null) !== (key === null))
    throw invalid(
      cert === null ? 'ETCD_AUTH_CLIENT_CERT' : 'ETCD_AUTH_CLIENT_KEY',
      'certificate and key together',
      '',
    );
  if (ca === null && cert !== null)
    throw invalid('ETCD_AUTH_CA', 'the authority of the members beside a client certificate', '');
  return ca === null ? null : { ca, cert, key };
}
