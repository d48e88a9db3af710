import { FRONTEND_HEALTH_MODES } from '../dialects/dynamo-frontend.js';
import { checkHeaderName } from '../frontend/admission-options.js';
import { checkWorkerUrls } from '../frontend/validate.js';
import { FOREIGN_ENGINES } from '../frontend/worker-url.js';
import { DISCOVERY_FLAGS } from './discovery-flags.js';
import { BEACONS_FLAG, NATS_FLAG } from './events-flags.js';
import { type FleetFlag, fleetHelp, HELP_COLUMN, HTTP_HOST, HTTP_PORT } from './fleet-flags.js';
import { API_TOKEN_FLAG, FLEET_TOKEN_FLAG, SERVER_TLS_FLAGS, WORKER_TLS_FLAGS } from './security-flags.js';

const MAX_TOKENS = 1_000_000_000;
const INDENT = ' '.repeat(HELP_COLUMN);

export const FRONTEND_FLAGS: readonly FleetFlag[] = [
  {
    flag: '--workers',
    placeholder: 'URL,URL',
    kind: { type: 'list' },
    meaning: `workers at http(s)://host:port (those that are found);\n${INDENT}other servers: ${FOREIGN_ENGINES.map((name) => `${name}+`).join(' ')} before it`,
    check: (where, value) => checkWorkerUrls(where, value as readonly string[]),
  },
  ...DISCOVERY_FLAGS,
  {
    flag: '--processes',
    placeholder: 'N',
    kind: { type: 'integer', min: 1, max: 64 },
    meaning: 'processes that share the port, for more cores (1)',
  },
  { ...HTTP_PORT, variable: 'DYN_HTTP_PORT' },
  { ...HTTP_HOST, variable: 'DYN_HTTP_HOST' },
  {
    flag: '--health-mode',
    placeholder: 'MODE',
    kind: { type: 'choice', values: FRONTEND_HEALTH_MODES },
    meaning: `${FRONTEND_HEALTH_MODES.join(', ')} (documented)`,
  },
  {
    flag: '--migration-limit',
    placeholder: 'N',
    kind: { type: 'integer', min: 0, max: 1000 },
    meaning: 'moves of a stream within a minute, 0: none (3)',
    variable: 'DYN_MIGRATION_LIMIT',
  },
  {
    flag: '--migration-max-seq-len',
    placeholder: 'N',
    kind: { type: 'integer', min: 0, max: MAX_TOKENS },
    meaning: 'tokens of the longest stream that moves (any)',
    variable: 'DYN_MIGRATION_MAX_SEQ_LEN',
  },
  {
    flag: '--poison-workers',
    placeholder: 'N',
    kind: { type: 'integer', min: 1, max: 1000 },
    meaning: 'workers lost before a request is blamed for it (2)',
  },
  {
    flag: '--active-decode-blocks-threshold',
    placeholder: 'N',
    kind: { type: 'number', min: 0, max: 1 },
    meaning: 'share of KV blocks above which a worker is full',
    variable: 'DYN_ACTIVE_DECODE_BLOCKS_THRESHOLD',
  },
  {
    flag: '--active-prefill-tokens-threshold',
    placeholder: 'N',
    kind: { type: 'integer', min: 0, max: MAX_TOKENS },
    meaning: 'tokens to prefill above which a worker is full',
    variable: 'DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD',
  },
  {
    flag: '--active-prefill-tokens-threshold-frac',
    placeholder: 'N',
    kind: { type: 'number', min: 0, max: 1_000_000 },
    meaning: 'the same as a share of one batch',
    variable: 'DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD_FRAC',
  },
  {
    flag: '--overload-status',
    placeholder: 'N',
    kind: { type: 'integer', min: 400, max: 599 },
    meaning: 'HTTP status of a refusal for load (503)',
    variable: 'DYN_HTTP_OVERLOAD_STATUS_CODE',
  },
  {
    flag: '--max-concurrent',
    placeholder: 'N',
    kind: { type: 'integer', min: 1, max: 1_000_000 },
    meaning: 'requests that run at the same time (any)',
  },
  {
    flag: '--first-token-ms',
    placeholder: 'N',
    kind: { type: 'integer', min: 1, max: 86_400_000 },
    meaning: 'time to first token to keep, or else refuse (none)',
  },
  {
    flag: '--priority-header',
    placeholder: 'NAME',
    kind: { type: 'string' },
    meaning: 'header with interactive, default or bulk (none)',
    check: (where, value) => checkHeaderName(where, value as string),
  },
  {
    flag: '--tenant-header',
    placeholder: 'NAME',
    kind: { type: 'string' },
    meaning: 'header with the tenant, to be fair between them (none)',
    check: (where, value) => checkHeaderName(where, value as string),
  },
  {
    flag: '--tenants',
    placeholder: 'NAME,NAME',
    kind: { type: 'list' },
    meaning: 'tenants that metrics name; the others are other',
  },
  ...SERVER_TLS_FLAGS,
  API_TOKEN_FLAG,
  FLEET_TOKEN_FLAG,
  ...WORKER_TLS_FLAGS,
  NATS_FLAG,
  BEACONS_FLAG,
];

export const frontendHelp = (): string =>
  fleetHelp(
    'frontend',
    "OpenAI's API in front of workers; streams of a lost worker go on at another.",
    FRONTEND_FLAGS,
  );
