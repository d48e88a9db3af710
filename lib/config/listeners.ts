import type { DialectName } from '../dialects/index.js';
import type { Details } from '../dialects/view.js';
import { InferenceHealthError } from '../errors.js';
import type { DynamoServer } from './dynamo-server.js';
import { rejectUnknown, requireObject } from './keys.js';
import type { HealthOptions, ListenerConfig, PathOptions } from './options.js';
import { type DynamoPaths, pathsOf } from './paths.js';
import type { Get, Kind } from './spec.js';
import { checkValue, invalid } from './values.js';

const LISTENER_KEYS = ['port', 'host', 'path', 'mode', 'dialect', 'details', 'paths'];

interface Defaults {
  readonly dialect: DialectName;
  readonly details: Details | null;
  readonly paths: PathOptions;
}

export interface Addresses {
  readonly options: HealthOptions;
  readonly get: Get;
  /** Whether the option was given anywhere, in code, as a flag or as a variable of ours. */
  readonly isGiven: (name: string) => boolean;
  readonly kindOf: (name: string) => Kind;
  readonly dynamo: DynamoServer;
}

/**
 * Where probes are answered. Our port and `DYN_SYSTEM_PORT` together are two listeners, each with its dialect; where Dynamo's
 * server is turned off and no address of ours is given, there is none.
 */
export function listenersOf(addresses: Addresses): ListenerConfig[] {
  const { options, get, isGiven, dynamo } = addresses;
  const explicit = get<readonly unknown[] | null>('listeners');
  const hasAddress = options.port !== undefined || options.host !== undefined;
  if (explicit !== null && hasAddress && options.listeners !== undefined) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'options port and host cannot be combined with listeners; put them into the list',
    );
  }
  const paths: PathOptions = {
    ...optional('health', get('paths.health')),
    ...optional('live', get('paths.live')),
  };
  const details = get<Details | null>('details');
  const worker: Defaults = { dialect: 'dynamo-worker', details, paths };
  // An address given in code or by a flag wins over a list in the environment, as every option does.
  const list = hasAddress && options.listeners === undefined ? null : explicit;
  const ownPort = list === null && isGiven('port') ? get<number>('port') : null;
  const isSeparate = dynamo.isOn && dynamo.port !== null && (list !== null || ownPort !== null);
  const own: Defaults = {
    dialect: isGiven('dialect')
      ? get<DialectName>('dialect')
      : dynamo.isOn && !isSeparate
        ? 'dynamo-worker'
        : 'bitnet',
    details,
    paths,
  };
  if (list === null && ownPort === null && dynamo.isOff) return [];

  const host = isGiven('host') ? get<string | null>('host') : null;
  const listeners =
    list === null
      ? [tcp(ownPort ?? dynamo.port ?? get<number>('port'), host ?? dynamo.host, own)]
      : list.map((item, index) => listenerOf(item, `listeners[${index}]`, own, addresses.kindOf));
  if (!isSeparate) return listeners;

  const port = dynamo.port as number;
  const same = listeners.findIndex(
    (listener) => port !== 0 && listener.kind === 'tcp' && listener.port === port,
  );
  if (same < 0) return [...listeners, tcp(port, dynamo.host, worker)];
  // The same port twice is one listener, and Dynamo's unless a dialect was asked for.
  if (list === null && !isGiven('dialect')) listeners[same] = tcp(port, host ?? dynamo.host, worker);
  return listeners;
}

function optional(key: string, value: unknown): object {
  return value === null || value === undefined ? {} : { [key]: value };
}

function listenerOf(
  item: unknown,
  where: string,
  defaults: Defaults,
  kindOf: (name: string) => Kind,
): ListenerConfig {
  requireObject(where, item);
  const listener = item as Readonly<Record<string, unknown>>;
  rejectUnknown(`${where} key`, listener, LISTENER_KEYS);
  const check = (key: string): unknown => {
    const value = listener[key];
    return value === undefined ? undefined : checkValue(`${where}.${key}`, kindOf(key), value);
  };
  const dialect = (check('dialect') as DialectName | undefined) ?? defaults.dialect;
  const details = (check('details') as Details | undefined) ?? defaults.details;
  const { path, paths } = listener;
  if (paths !== undefined) {
    requireObject(`${where}.paths`, paths);
    if (dialect === 'bitnet')
      throw invalid(`${where}.paths`, "paths only with dialect 'dynamo-worker' or 'dynamo-frontend'", paths);
  }
  const chosen: Defaults = {
    dialect,
    details,
    paths: (paths as PathOptions | undefined) ?? defaults.paths,
  };
  if (path === undefined) {
    if (listener.mode !== undefined)
      throw invalid(`${where}.mode`, 'no mode without a unix path', listener.mode);
    const port = check('port');
    if (port === undefined) throw invalid(where, 'a port or a path', item);
    return tcp(port as number, (check('host') as string | undefined) ?? null, chosen, `${where}.paths`);
  }
  if (listener.port !== undefined || listener.host !== undefined)
    throw invalid(where, 'either path or port and host', item);
  if (typeof path !== 'string' || path === '')
    throw invalid(`${where}.path`, 'a path of a unix socket', path);
  const mode = listener.mode ?? 0o600;
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777)
    throw invalid(`${where}.mode`, 'permission bits from 0 to 0o777', mode);
  return Object.freeze({
    kind: 'unix',
    path,
    mode,
    dialect,
    details: details ?? 'full',
    ...pathsKey(chosen, `${where}.paths`),
  });
}

/** An address that only this machine, or pod, reaches. */
export function isLoopback(host: string | null): boolean {
  return host !== null && (host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host));
}

function tcp(port: number, host: string | null, defaults: Defaults, where = 'option paths'): ListenerConfig {
  const address = host === '' ? null : host;
  return Object.freeze({
    kind: 'tcp',
    host: address,
    port,
    dialect: defaults.dialect,
    details: defaults.details ?? (isLoopback(address) ? 'full' : 'documented'),
    ...pathsKey(defaults, where),
  });
}

function pathsKey({ dialect, paths }: Defaults, where: string): { paths?: DynamoPaths } {
  return dialect === 'bitnet' ? {} : { paths: pathsOf(where, paths) };
}
