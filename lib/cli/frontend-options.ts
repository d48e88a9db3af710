import type { FrontendHealthMode } from '../dialects/dynamo-frontend.js';
import type { FrontendOptions } from '../frontend/options.js';
import { discoveryOptions } from './discovery-flags.js';
import { beaconsWay, natsServer } from './events-flags.js';
import { UsageError } from './flags.js';
import { type FleetValues, given } from './fleet-flags.js';
import { apiTokenFile, serverTls, tokenFile, workerTls } from './security-flags.js';

/** What the flags of `frontend` say about it; the rest is its process's. */
export function frontendOptions(values: FleetValues): Omit<FrontendOptions, 'health' | 'logger'> {
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
    },
    thresholds: {
      activeDecodeBlocks: get<number>('active-decode-blocks-threshold') ?? null,
      activePrefillTokens: get<number>('active-prefill-tokens-threshold') ?? null,
      activePrefillTokensFraction: get<number>('active-prefill-tokens-threshold-frac') ?? null,
    },
  };
}
