import type { Environment } from '../config/environment.js';
import type { HealthOptions } from '../config/options.js';
import { resolveAdminToken } from '../config/resolve.js';
import type { FrontendHealthMode } from '../dialects/dynamo-frontend.js';
import type { FrontendOptions } from '../frontend/options.js';
import { discoveryOptions } from './discovery-flags.js';
import { beaconsWay, natsServer } from './events-flags.js';
import { UsageError } from './flags.js';
import { type FleetValues, given } from './fleet-flags.js';
import { isAdminDisabled, pathVariables } from './frontend-variables.js';
import { apiTokenFile, serverTls, tokenFile, workerTls } from './security-flags.js';

export type CommandOptions = Omit<FrontendOptions, 'health' | 'logger'>;

/** What flags and variables say about a frontend. @throws UsageError, InferenceHealthError ERR_CONFIG_INVALID */
export function commandOptions(
  values: FleetValues,
  health: HealthOptions,
  environment: Environment,
): CommandOptions {
  const token = isAdminDisabled(environment) ? null : resolveAdminToken(health, environment);
  return {
    ...frontendOptions(values),
    paths: pathVariables(environment),
    ...(token === null ? {} : { adminToken: token }),
  };
}

export function processesOf(values: FleetValues): number {
  return (values['--processes'] as number | undefined) ?? 1;
}

/** One process's part of the limits that all have together. @throws UsageError where there is less than one for each */
export function shareOf(options: CommandOptions, processes: number): CommandOptions {
  const { maxConcurrent } = options.admission ?? {};
  if (maxConcurrent === undefined || processes === 1) return options;
  if (maxConcurrent < processes)
    throw new UsageError(
      `--max-concurrent: expected at least --processes (${processes}), received ${maxConcurrent}`,
    );
  const share = Math.floor(maxConcurrent / processes);
  return { ...options, admission: { ...options.admission, maxConcurrent: share } };
}

/** What the flags of `frontend` say about it; the rest is its process's. */
function frontendOptions(values: FleetValues): Omit<FrontendOptions, 'health' | 'logger'> {
  const get = <T>(name: string): T | undefined => values[`--${name}`] as T | undefined;
  const workers = get<readonly string[]>('workers') ?? [];
  if (values['--workers'] !== undefined && workers.length === 0)
    throw new UsageError('--workers: expected at least one URL, as http://host:port');
  return {
    workers: workers.map((url) => url.replace(/\/$/, '')),
    discovery: discoveryOptions(values),
    ...given('port', get<number>('http-port')),
    ...given('host', get<string>('http-host')),
    ...serverTls(get),
    ...apiTokenFile(get),
    ...tokenFile(get),
    ...natsServer(values),
    ...beaconsWay(values),
    ...workerTls(get),
    ...given('healthMode', get<FrontendHealthMode>('health-mode')),
    ...given('overloadStatus', get<number>('overload-status')),
    admission: {
      ...given('maxConcurrent', get<number>('max-concurrent')),
      ...given('firstTokenMs', get<number>('first-token-ms')),
      ...given('priorityHeader', get<string>('priority-header')),
      ...given('tenantHeader', get<string>('tenant-header')),
      ...given('tenants', get<readonly string[]>('tenants')),
    },
    migration: {
      ...given('migrationLimit', get<number>('migration-limit')),
      ...given('maxSeqLen', get<number>('migration-max-seq-len')),
      ...given('poisonWorkers', get<number>('poison-workers')),
    },
    thresholds: {
      activeDecodeBlocks: get<number>('active-decode-blocks-threshold') ?? null,
      activePrefillTokens: get<number>('active-prefill-tokens-threshold') ?? null,
      activePrefillTokensFraction: get<number>('active-prefill-tokens-threshold-frac') ?? null,
    },
  };
}
