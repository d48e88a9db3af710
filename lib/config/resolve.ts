import { InferenceHealthError } from '../errors.js';
import { ADMIN_SPECS, adminOf, adminTokenOf } from './admin.js';
import { canaryOf } from './canary.js';
import { nearMisses } from './dynamo-near.js';
import { dynamoValue } from './dynamo-options.js';
import { dynamoServer } from './dynamo-server.js';
import { requiredEndpointsOf } from './endpoints.js';
import { engineMonitorOf } from './engine.js';
import type { Environment } from './environment.js';
import { checkGpuOverrides } from './gpu-overrides.js';
import { rejectUnknown, requireObject } from './keys.js';
import { limitsOf } from './limits.js';
import { listenersOf } from './listeners.js';
import type { Config, HealthOptions } from './options.js';
import { environmentName, OBJECT_OPTIONS, OPTIONS, type OptionSpec, OTHER_ENVIRONMENT } from './schema.js';
import { drainOf } from './shutdown.js';
import { type Get, keysOf } from './spec.js';
import { didYouMean } from './suggest.js';
import { checkValue, invalid, parseValue } from './values.js';

/** Keys of these objects that are no options by themselves. */
const FURTHER_KEYS: Readonly<Record<string, readonly string[]>> = {
  gpu: ['xids', 'findings'],
  shutdown: ['signals'],
};

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
  requireObject('options', options);
  rejectUnknown('option', options, knownKeys(OPTIONS.map(({ name }) => name)).concat(OBJECT_OPTIONS));
  checkSections(options);
  if (options.gpu !== undefined) checkGpuOverrides(options.gpu);
  rejectUnknownEnvironment(environment);
  checkObjects(options);

  const dynamo = dynamoServer(environment);
  const values = new Map<string, unknown>();
  const given = new Set<string>();
  for (const spec of OPTIONS) {
    const value = resolveValue(spec, options, environment);
    if (value !== undefined) given.add(spec.name);
    // A Dynamo worker that cannot serve exits, as documented, so that it is restarted.
    const isExit = dynamo.isWorker && (spec.name === 'onGpuFailure' || spec.name === 'onEngineFailure');
    values.set(spec.name, value ?? dynamoValue(spec, environment) ?? (isExit ? 'shutdown' : spec.fallback));
  }
  const get: Get = <T>(name: string): T => values.get(name) as T;

  const degraded = get<number>('memory.degradedPercent');
  const unhealthy = get<number>('memory.unhealthyPercent');
  if (degraded > unhealthy)
    throw invalid(
      'option memory.degradedPercent',
      `at most memory.unhealthyPercent (${unhealthy})`,
      degraded,
    );

  const drain = drainOf(get);

  return Object.freeze({
    listeners: Object.freeze(
      listenersOf({ options, get, isGiven: (name) => given.has(name), kindOf, dynamo }),
    ),
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
      isolation: get<Config['gpu']['isolation']>('gpu.isolation'),
      segment: get<string | null>('gpu.segment'),
      xids: { ...options.gpu?.xids },
      findings: { ...options.gpu?.findings },
      cudaVisibleDevices: environment.CUDA_VISIBLE_DEVICES ?? null,
      cudaDeviceOrder: environment.CUDA_DEVICE_ORDER ?? null,
      nvidiaVisibleDevices: environment.NVIDIA_VISIBLE_DEVICES ?? null,
    }),
    onGpuFailure: get<Config['onGpuFailure']>('onGpuFailure'),
    exitCodes: get<Config['exitCodes']>('exitCodes'),
    requiredEndpoints: requiredEndpointsOf(get),
    startingHealthStatus: get<Config['startingHealthStatus']>('startingHealthStatus'),
    liveMode: get<Config['liveMode']>('liveMode'),
    canary: canaryOf(get),
    engineMonitor: engineMonitorOf(get),
    onEngineFailure: get<Config['onEngineFailure']>('onEngineFailure'),
    shutdown: get('shutdown') === false ? null : drain,
    drain,
    limits: limitsOf(get),
    admin: adminOf(get),
    warnings: Object.freeze(nearMisses(environment)),
    version: get<string | null>('version'),
    root: get<string>('root').replace(/\/+$/, ''),
  });
}

/** The admin token alone, for a process that wants one without that listener. Null where none is given. */
export function resolveAdminToken(options: HealthOptions, environment: Environment): string | null {
  const get: Get = <T>(name: string): T => {
    const spec = ADMIN_SPECS.find((each) => each.name === name) as OptionSpec;
    return (resolveValue(spec, options, environment) ?? null) as T;
  };
  const isGiven = get('admin.token') !== null || get('admin.tokenFile') !== null;
  return isGiven ? adminTokenOf(get) : null;
}

function kindOf(name: string): OptionSpec['kind'] {
  return (OPTIONS.find((spec) => spec.name === name) as OptionSpec).kind;
}

/** Objects in which options stand: `memory`, `gpu`, `canary` and so on. */
function checkSections(options: HealthOptions): void {
  for (const head of knownKeys(OPTIONS.map(({ name }) => name).filter((name) => name.includes('.')))) {
    const value = (options as Readonly<Record<string, unknown>>)[head];
    const isSection = OPTIONS.some(({ name }) => name === head);
    if (value === undefined || (isSection && typeof value === 'boolean')) continue;
    requireObject(`option ${head}`, value, isSection ? 'true, false or an object' : 'an object');
    rejectUnknown(`option ${head}`, value as object, [
      ...keysOf(head, OPTIONS),
      ...(FURTHER_KEYS[head] ?? []),
    ]);
  }
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

/** Undefined where neither the options nor our variables say anything. */
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
  return undefined;
}
