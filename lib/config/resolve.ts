import type { DialectName } from '../dialects/index.js';
import type { Details } from '../dialects/view.js';
import { InferenceHealthError } from '../errors.js';
import { checkGpuOverrides } from './gpu-overrides.js';
import { rejectUnknown, requireObject } from './keys.js';
import type { Config, HealthOptions, ListenerConfig, ShutdownOptions } from './options.js';
import { environmentName, OBJECT_OPTIONS, OPTIONS, type OptionSpec, OTHER_ENVIRONMENT } from './schema.js';
import { didYouMean } from './suggest.js';
import { checkValue, invalid, parseValue } from './values.js';

type Environment = Readonly<Record<string, string | undefined>>;
const LISTENER_KEYS = ['port', 'host', 'path', 'mode', 'dialect', 'details'];
const SHUTDOWN_KEYS = ['signals', 'gracePeriodMs'];
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/**
 * Kubernetes tells every pod where each Service of its namespace is, in variables that begin with the Service's name: for one
 * called `inference-health` they look like ours.
 */
const SERVICE_LINK =
  /^INFERENCE_HEALTH_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

function isServiceLink(name: string, text: string): boolean {
  return SERVICE_LINK.test(name) && /^(tcp|udp|sctp):\/\//.test(text.trim());
}

/**
 * Options over environment over defaults, validated once and frozen.
 * Throws ERR_CONFIG_INVALID that names the option or variable, what was expected and what came.
 */
export function resolveConfig(options: HealthOptions = {}, environment: Environment = {}): Config {
  rejectUnknown('option', options, knownKeys(OPTIONS.map(({ name }) => name)).concat(OBJECT_OPTIONS));
  if (options.memory !== undefined) {
    requireObject('option memory', options.memory);
    rejectUnknown('option memory', options.memory, ['degradedPercent', 'unhealthyPercent']);
  }
  if (options.gpu !== undefined) {
    requireObject('option gpu', options.gpu);
    rejectUnknown('option gpu', options.gpu, ['mode', 'devices', 'library', 'kmsg', 'xids', 'findings']);
    checkGpuOverrides(options.gpu);
  }
  rejectUnknownEnvironment(environment);
  checkObjects(options);

  const values = new Map<string, unknown>();
  for (const spec of OPTIONS) values.set(spec.name, resolveValue(spec, options, environment));
  const get = <T>(name: string): T => values.get(name) as T;

  const degraded = get<number>('memory.degradedPercent');
  const unhealthy = get<number>('memory.unhealthyPercent');
  if (degraded > unhealthy)
    throw invalid(
      'option memory.degradedPercent',
      `at most memory.unhealthyPercent (${unhealthy})`,
      degraded,
    );

  return Object.freeze({
    listeners: Object.freeze(listenersOf(options, get)),
    httpEngine: get<Config['httpEngine']>('httpEngine'),
    native: get<Config['native']>('native'),
    startupGraceMs: get<number>('startupGraceMs'),
    degradedOk: get<boolean>('degradedOk'),
    liveStallMs: get<number>('liveStallMs'),
    loopUnreadyMs: get<number>('loopUnreadyMs'),
    stallStackAfterMs: get<number>('stallStackAfterMs'),
    sampleHz: get<number>('sampleHz'),
    perCore: get<boolean>('perCore'),
    memoryDegradedPercent: degraded,
    memoryUnhealthyPercent: unhealthy,
    gates: Object.freeze([...(get<readonly string[] | null>('gates') ?? [])]),
    aggregation: get<Config['aggregation']>('aggregation'),
    gpu: Object.freeze({
      mode: get<Config['gpu']['mode']>('gpu.mode'),
      devices: get<readonly (number | string)[] | null>('gpu.devices'),
      library: get<string | null>('gpu.library'),
      kmsg: get<string | null>('gpu.kmsg'),
      xids: { ...options.gpu?.xids },
      findings: { ...options.gpu?.findings },
      cudaVisibleDevices: environment.CUDA_VISIBLE_DEVICES ?? null,
      cudaDeviceOrder: environment.CUDA_DEVICE_ORDER ?? null,
      nvidiaVisibleDevices: environment.NVIDIA_VISIBLE_DEVICES ?? null,
    }),
    onGpuFailure: get<Config['onGpuFailure']>('onGpuFailure'),
    exitCodes: get<Config['exitCodes']>('exitCodes'),
    shutdown: shutdownOf(get<boolean | ShutdownOptions>('shutdown'), get<number>('shutdown.gracePeriodMs')),
    version: get<string | null>('version'),
    root: get<string>('root').replace(/\/+$/, ''),
  });
}

function knownKeys(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.split('.')[0] ?? name))];
}

function rejectUnknownEnvironment(environment: Environment): void {
  const known = [...OPTIONS.map(({ name }) => environmentName(name)), ...OTHER_ENVIRONMENT];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('INFERENCE_HEALTH_') || known.includes(name) || SERVICE_LINK.test(name)) continue;
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `unknown environment variable ${name}${didYouMean(name, known)}`,
    );
  }
}

function checkObjects({ logger, signal, registry }: HealthOptions): void {
  if (
    logger !== undefined &&
    !['debug', 'info', 'warn', 'error'].every((level) => typeof logger?.[level as 'info'] === 'function')
  ) {
    throw invalid('option logger', 'an object with debug, info, warn and error', logger);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid('option signal', 'an AbortSignal', signal);
  if (registry !== undefined && typeof registry?.metrics !== 'function')
    throw invalid('option registry', 'an object with metrics()', registry);
}

function resolveValue(spec: OptionSpec, options: HealthOptions, environment: Environment): unknown {
  const [head = '', tail] = spec.name.split('.');
  let given = (options as Readonly<Record<string, unknown>>)[head];
  if (tail !== undefined) {
    given =
      typeof given === 'object' && given !== null
        ? (given as Readonly<Record<string, unknown>>)[tail]
        : undefined;
  }
  if (given !== undefined) return checkValue(`option ${spec.name}`, spec.kind, given);
  const name = environmentName(spec.name);
  const text = environment[name];
  // An empty variable is an unset one: manifests often leave a name without a value.
  if (text !== undefined && text.trim() !== '' && !isServiceLink(name, text))
    return parseValue(name, spec.kind, text.trim());
  return spec.fallback;
}

function listenersOf(options: HealthOptions, get: <T>(name: string) => T): ListenerConfig[] {
  const dialect = get<DialectName>('dialect');
  const details = get<Details | null>('details');
  const explicit = get<readonly unknown[] | null>('listeners');
  const hasAddress = options.port !== undefined || options.host !== undefined;
  // An address given in code or by a flag wins over a list in the environment, as every option does.
  if (explicit === null || (hasAddress && options.listeners === undefined))
    return [tcp(get<number>('port'), get<string | null>('host'), dialect, details)];
  if (hasAddress) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'options port and host cannot be combined with listeners; put them into the list',
    );
  }
  return explicit.map((item, index) => listenerOf(item, `listeners[${index}]`, dialect, details));
}

function listenerOf(
  item: unknown,
  where: string,
  fallbackDialect: DialectName,
  fallbackDetails: Details | null,
): ListenerConfig {
  requireObject(where, item);
  const listener = item as Readonly<Record<string, unknown>>;
  rejectUnknown(`${where} key`, listener, LISTENER_KEYS);
  const check = (key: string): unknown => {
    const spec = OPTIONS.find(({ name }) => name === key);
    const value = listener[key];
    return value === undefined || spec === undefined
      ? undefined
      : checkValue(`${where}.${key}`, spec.kind, value);
  };
  const dialect = (check('dialect') as DialectName | undefined) ?? fallbackDialect;
  const details = (check('details') as Details | undefined) ?? fallbackDetails;
  const { path } = listener;
  if (path === undefined) {
    if (listener.mode !== undefined)
      throw invalid(`${where}.mode`, 'no mode without a unix path', listener.mode);
    const port = check('port');
    if (port === undefined) throw invalid(where, 'a port or a path', item);
    return tcp(port as number, (check('host') as string | undefined) ?? null, dialect, details);
  }
  if (listener.port !== undefined || listener.host !== undefined)
    throw invalid(where, 'either path or port and host', item);
  if (typeof path !== 'string' || path === '')
    throw invalid(`${where}.path`, 'a path of a unix socket', path);
  const mode = listener.mode ?? 0o600;
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777)
    throw invalid(`${where}.mode`, 'permission bits from 0 to 0o777', mode);
  return Object.freeze({ kind: 'unix', path, mode, dialect, details: details ?? 'full' });
}

function isLoopback(host: string | null): boolean {
  return host !== null && (host === 'localhost' || host === '::1' || host.startsWith('127.'));
}

function tcp(
  port: number,
  host: string | null,
  dialect: DialectName,
  details: Details | null,
): ListenerConfig {
  const address = host === '' ? null : host;
  return Object.freeze({
    kind: 'tcp',
    host: address,
    port,
    dialect,
    details: details ?? (isLoopback(address) ? 'full' : 'documented'),
  });
}

function shutdownOf(value: boolean | ShutdownOptions, gracePeriodMs: number): Config['shutdown'] {
  if (value === false) return null;
  const given: ShutdownOptions = value === true ? {} : value;
  rejectUnknown('option shutdown', given, SHUTDOWN_KEYS);
  const signals = given.signals ?? ['SIGTERM', 'SIGINT'];
  if (!Array.isArray(signals) || signals.length === 0 || !signals.every((name) => SIGNALS.includes(name))) {
    throw invalid('option shutdown.signals', `an array of ${SIGNALS.join(', ')}`, signals);
  }
  return Object.freeze({ signals: Object.freeze([...signals]), gracePeriodMs });
}
