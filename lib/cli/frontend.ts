import { DYNAMO_NAMES, textOf } from '../config/dynamo-names.js';
import { FRONTEND_HEALTH_MODES, type FrontendHealthMode } from '../dialects/dynamo-frontend.js';
import { InferenceHealthError } from '../errors.js';
import { startFrontend } from '../frontend/frontend.js';
import { startWith } from '../lifecycle/start.js';
import { urlOf } from '../probe/listener-url.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { type FleetFlag, fleetHelp, parseFleetFlags } from './fleet-flags.js';
import { runFleet, withFreeProbePort } from './fleet-run.js';

const MAX_TOKENS = 1_000_000_000;

const FLAGS: readonly FleetFlag[] = [
  {
    flag: '--workers',
    placeholder: 'URL,URL',
    kind: { type: 'list' },
    meaning: 'the workers, as http://host:port',
  },
  {
    flag: '--http-port',
    placeholder: 'N',
    kind: { type: 'integer', min: 0, max: 65_535 },
    meaning: 'port of the API (8000)',
    variable: 'DYN_HTTP_PORT',
  },
  {
    flag: '--http-host',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'address of the API (127.0.0.1)',
    variable: 'DYN_HTTP_HOST',
  },
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
];

export const frontendHelp = (): string =>
  fleetHelp(
    'frontend',
    "OpenAI's API in front of workers; streams of a lost worker go on at another.",
    FLAGS,
  );

/** `inference-health frontend`: until a signal arrives. */
export function frontend(args: readonly string[]): Promise<number | undefined> {
  return runFleet('frontend', async (logger, logToStderr) => {
    const { values, health: flags } = parseFleetFlags(args, FLAGS, process.env);
    const get = <T>(name: string): T | undefined => values[`--${name}`] as T | undefined;
    const workers = get<readonly string[]>('workers') ?? [];
    if (workers.length === 0)
      throw new InferenceHealthError('ERR_CONFIG_INVALID', '--workers: expected at least one URL');
    // Dynamo's frontends have no status server: a variable meant for workers must not make this one of them.
    const ignored = DYNAMO_NAMES.filter(
      (name) => name.startsWith('DYN_SYSTEM_') && textOf(process.env, name),
    );
    for (const name of ignored) {
      logger.warn({ variable: name }, 'only workers use it: ignored by a frontend');
      delete process.env[name];
    }
    const options = withFreeProbePort(flags, isListenerConfigured());
    const health = await startWith({ ...options, shutdown: flags.shutdown ?? true, logger }, { logToStderr });
    const limit = get<number>('migration-limit');
    const maxSeqLen = get<number>('migration-max-seq-len');
    const port = get<number>('http-port');
    const host = get<string>('http-host');
    const healthMode = get<FrontendHealthMode>('health-mode');
    const overloadStatus = get<number>('overload-status');
    const maxConcurrent = get<number>('max-concurrent');
    const api = await startFrontend({
      workers: workers.map((url) => url.replace(/\/$/, '')),
      ...(port === undefined ? {} : { port }),
      ...(host === undefined ? {} : { host }),
      ...(healthMode === undefined ? {} : { healthMode }),
      ...(overloadStatus === undefined ? {} : { overloadStatus }),
      admission: maxConcurrent === undefined ? {} : { maxConcurrent },
      migration: {
        ...(limit === undefined ? {} : { migrationLimit: limit }),
        ...(maxSeqLen === undefined ? {} : { maxSeqLen }),
      },
      thresholds: {
        activeDecodeBlocks: get<number>('active-decode-blocks-threshold') ?? null,
        activePrefillTokens: get<number>('active-prefill-tokens-threshold') ?? null,
        activePrefillTokensFraction: get<number>('active-prefill-tokens-threshold-frac') ?? null,
      },
      health,
      logger,
    });
    health.onShutdown('frontend', () => api.close());
    return { url: api.url, probes: health.listeners.map(urlOf), workers };
  });
}
