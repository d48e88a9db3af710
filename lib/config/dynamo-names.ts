import type { Environment } from './environment.js';

/** Variables of Dynamo's workers that this package reads. */
export const DYNAMO_NAMES: readonly string[] = [
  'DYN_SYSTEM_PORT',
  'DYN_SYSTEM_ENABLED',
  'DYN_SYSTEM_HOST',
  'DYN_SYSTEM_STARTING_HEALTH_STATUS',
  'DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS',
  'DYN_SYSTEM_HEALTH_PATH',
  'DYN_SYSTEM_LIVE_PATH',
  'DYN_SYSTEM_LIVE_MODE',
  'DYN_HEALTH_CHECK_ENABLED',
  'DYN_CANARY_WAIT_TIME',
  'DYN_HEALTH_CHECK_REQUEST_TIMEOUT',
  'DYN_HEALTH_CHECK_PAYLOAD',
  'DYN_ENGINE_HEALTH_CHECK_INTERVAL',
  'DYN_ENGINE_HEALTH_CHECK_TIMEOUT',
  'DYN_ENGINE_HEALTH_SHUTDOWN_TIMEOUT',
  'DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS',
  'DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT',
  'DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS',
];

/** Variables of Dynamo's frontends that `inference-health frontend` reads. */
export const DYNAMO_FRONTEND_NAMES: readonly string[] = [
  'DYN_HTTP_PORT',
  'DYN_HTTP_HOST',
  'DYN_HTTP_OVERLOAD_STATUS_CODE',
  'DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS',
  'DYN_HTTP_SVC_HEALTH_PATH',
  'DYN_HTTP_SVC_LIVE_PATH',
  'DYN_HTTP_SVC_METRICS_PATH',
  'DYN_HTTP_SVC_MODELS_PATH',
  'DYN_HTTP_SVC_CHAT_PATH',
  'DYN_HTTP_SVC_CMP_PATH',
  'DYN_MIGRATION_LIMIT',
  'DYN_MIGRATION_MAX_SEQ_LEN',
  'DYN_ACTIVE_DECODE_BLOCKS_THRESHOLD',
  'DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD',
  'DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD_FRAC',
  'DYN_DISABLE_FRONTEND_ADMIN_API',
];

/**
 * Kubernetes tells every pod where each Service of its namespace is, in variables that begin with the Service's name: for
 * one called `dyn-system` they look like Dynamo's.
 */
const SERVICE_LINK = /^DYN_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/;
const LINK_VALUE = /^(tcp|udp|sctp):\/\//;

export function isServiceLink(name: string, text: string): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && LINK_VALUE.test(text.trim()));
}

/** Text of a variable; null where it is not set, empty, or made up by Kubernetes. */
export function textOf(environment: Environment, name: string): string | null {
  const text = environment[name]?.trim() ?? '';
  return text === '' || isServiceLink(name, text) ? null : text;
}
