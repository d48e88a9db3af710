import type { Environment } from './environment.js';

/** Dynamo's variables that this package reads. */
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
