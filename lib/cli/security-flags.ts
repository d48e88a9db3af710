/** Flags of `worker` and `frontend` for certificates and tokens. A token itself is no flag: `ps` shows those to everybody. */
import type { ClientTls, ServerTls } from '../wire/tls-files.js';
import { UsageError } from './flags.js';
import { type FleetFlag, given } from './fleet-flags.js';

const path = (flag: string, meaning: string): FleetFlag => ({
  flag,
  placeholder: 'FILE',
  kind: { type: 'string' },
  meaning,
});

export const SERVER_TLS_FLAGS: readonly FleetFlag[] = [
  path('--tls-cert', 'certificate of the API (PEM); without, plain HTTP'),
  path('--tls-key', 'its private key'),
  path('--tls-ca', 'authority of certificates that clients have to show'),
];

export const FLEET_TOKEN_FLAG = path('--token-file', 'token between frontends and workers, one a line');

export const WORKER_TLS_FLAGS: readonly FleetFlag[] = [
  path('--worker-tls-ca', 'authority of the https:// workers (that of the system)'),
  path('--worker-tls-cert', 'certificate to show to workers'),
  path('--worker-tls-key', 'its private key'),
];

export const API_TOKEN_FLAG = path(
  '--api-token-file',
  'tokens of which clients have to show one, one a line',
);

type Get = (name: string) => string | undefined;

/** @throws UsageError where one of certificate and key is missing */
export function serverTls(get: Get): { tls?: ServerTls } {
  const { cert, key, ca } = files(get, 'tls');
  if (cert === undefined || key === undefined) {
    if (ca !== undefined) throw new UsageError('--tls-ca needs --tls-cert and --tls-key');
    return {};
  }
  return { tls: { cert, key, ...(ca === undefined ? {} : { ca }) } };
}

/** @throws UsageError where one of certificate and key is missing */
export function workerTls(get: Get): { workerTls?: ClientTls } {
  const given = files(get, 'worker-tls');
  return Object.keys(given).length === 0 ? {} : { workerTls: given };
}

export const tokenFile = (get: Get): { tokenFile?: string } => given('tokenFile', get('token-file'));

export const apiTokenFile = (get: Get): { apiTokenFile?: string } =>
  given('apiTokenFile', get('api-token-file'));

function files(get: Get, prefix: string): ClientTls {
  const [cert, key, ca] = [get(`${prefix}-cert`), get(`${prefix}-key`), get(`${prefix}-ca`)];
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError(`--${prefix}-cert and --${prefix}-key: expected both`);
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  };
}
