import type { Config } from '../../lib/config/options.js';
import type { Environment } from './resolving.js';

/** Each variable alone: texts that are good with what they make, and texts that are refused. */
interface Row {
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
  readonly read: (config: Config) => unknown;
  /** Further variables without which the value is not to be seen. */
  readonly beside?: Environment;
}

export const CANARY = { DYN_HEALTH_CHECK_ENABLED: 'true' };
const first = (config: Config) => config.listeners[0];
const paths = (config: Config) => first(config)?.paths;

export const ROWS: Readonly<Record<string, Row>> = {
  DYN_SYSTEM_PORT: {
    good: [
      ['9090', 9090],
      ['0', 0],
      ['40000', 40000],
      ['65535', 65535],
      ['-1', undefined],
      ['-32768', undefined],
    ],
    bad: ['65536', 'eighty', '80.5', '-32769', '0x50', '8081x'],
    read: (config) => (first(config) as { port?: number } | undefined)?.port,
  },
  DYN_SYSTEM_ENABLED: {
    good: [
      ['true', 1],
      ['false', 0],
      ['1', 1],
      ['off', 0],
    ],
    bad: ['maybe', '2'],
    read: (config) => config.listeners.length,
  },
  DYN_SYSTEM_HOST: {
    good: [
      ['0.0.0.0', '0.0.0.0'],
      ['127.0.0.1', '127.0.0.1'],
      ['"[::1]"', '::1'],
      ['[::1]', '::1'],
      ['::', '::'],
      ['localhost', 'localhost'],
    ],
    bad: ['two words', '""'],
    read: (config) => (first(config) as { host?: string | null }).host,
  },
  DYN_SYSTEM_STARTING_HEALTH_STATUS: {
    good: [
      ['ready', 'ready'],
      ['notready', 'notready'],
      ['"ready"', 'ready'],
    ],
    bad: ['Ready', 'not ready', 'true'],
    read: (config) => config.startingHealthStatus,
  },
  DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS: {
    good: [
      ['["generate"]', ['generate']],
      ['["generate","clear_kv_blocks"]', ['clear_kv_blocks', 'generate']],
      ['[ "a" , "b", "a" ]', ['a', 'b']],
      ['[generate]', ['generate']],
      ['[]', []],
    ],
    bad: [
      'generate',
      '"generate"',
      '{"generate":true}',
      '[1]',
      '["generate"',
      '[""]',
      '["two words"]',
      '[generate,]',
    ],
    read: (config) => config.requiredEndpoints,
  },
  DYN_SYSTEM_HEALTH_PATH: {
    good: [
      ['/custom/health', { health: '/custom/health', live: '/live' }],
      ['/health', { health: '/health', live: '/live' }],
      ['/h%C3%A9', { health: '/h%C3%A9', live: '/live' }],
    ],
    bad: [
      'custom',
      '/live',
      '/metrics',
      '/livez',
      '/ready',
      '/health/ready',
      '/a?b',
      '/a b',
      '/{x}',
      '/*',
      'http://x/',
    ],
    read: paths,
  },
  DYN_SYSTEM_LIVE_PATH: {
    good: [
      ['/custom/live', { health: '/health', live: '/custom/live' }],
      ['/', { health: '/health', live: '/' }],
    ],
    bad: ['live', '/health', '/startupz', '/health/live', '/#'],
    read: paths,
  },
  DYN_SYSTEM_LIVE_MODE: {
    good: [
      ['shallow', 'shallow'],
      ['documented', 'documented'],
    ],
    bad: ['deep', 'true'],
    read: (config) => config.liveMode,
  },
  DYN_HEALTH_CHECK_ENABLED: {
    good: [
      ['true', true],
      ['false', false],
      ['1', true],
    ],
    bad: ['sometimes'],
    read: (config) => config.canary !== null,
  },
  DYN_CANARY_WAIT_TIME: {
    good: [
      ['10', 10_000],
      ['0.5', 500],
      ['5.', 5000],
    ],
    bad: ['0', '-1', '10s', 'ten', '1e3', '90000'],
    read: (config) => config.canary?.waitMs,
    beside: CANARY,
  },
  DYN_HEALTH_CHECK_REQUEST_TIMEOUT: {
    good: [
      ['3', 3000],
      ['1.5', 1500],
    ],
    bad: ['0', '3s', '-3'],
    read: (config) => config.canary?.timeoutMs,
    beside: CANARY,
  },
  DYN_HEALTH_CHECK_PAYLOAD: {
    good: [
      ['{"token_ids":[1]}', { token_ids: [1] }],
      ['{}', {}],
    ],
    bad: ['[1]', '"text"', '{', '@/no/such/file', '1'],
    read: (config) => config.canary?.payload,
    beside: CANARY,
  },
  DYN_ENGINE_HEALTH_CHECK_INTERVAL: {
    good: [
      ['2.0', 2000],
      ['0.25', 250],
    ],
    bad: ['0', 'often', 'inf', 'nan'],
    read: (config) => config.engineMonitor.checkIntervalMs,
  },
  DYN_ENGINE_HEALTH_CHECK_TIMEOUT: {
    good: [
      ['30.0', 30_000],
      ['0', 0],
      ['-5', 0],
    ],
    bad: ['long', 'inf'],
    read: (config) => config.engineMonitor.checkTimeoutMs,
  },
  DYN_ENGINE_HEALTH_SHUTDOWN_TIMEOUT: {
    good: [
      ['60', 60_000],
      ['-1', 0],
    ],
    bad: ['x'],
    read: (config) => config.engineMonitor.shutdownTimeoutMs,
  },
  DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS: {
    good: [
      ['5.0', 5000],
      ['0', 0],
      ['-2', 0],
    ],
    bad: ['soon', '5s'],
    read: (config) => config.drain.lameDuckMs,
  },
  DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT: {
    good: [['45', 45_000]],
    bad: ['-1', 'x'],
    read: (config) => config.drain.gracePeriodMs,
  },
  DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS: {
    good: [['900', 900_000]],
    bad: ['-1', 'x'],
    read: (config) => config.drain.gracePeriodMs,
  },
};
