import { DIALECT_NAMES } from '../dialects/index.js';

import { ADMIN_SPECS } from './admin.js';
import { CANARY_SPECS } from './canary.js';
import { ENDPOINT_SPECS } from './endpoints.js';
import { ENGINE_SPECS } from './engine.js';
import { LIMITS_SPECS } from './limits.js';
import { SHUTDOWN_SPECS } from './shutdown.js';
import { choice, DAY_MS, integer, type OptionSpec } from './spec.js';

export type { Kind, OptionSpec } from './spec.js';

export const OPTIONS: readonly OptionSpec[] = [
  {
    name: 'port',
    kind: integer(0, 65535),
    fallback: 8081,
    meaning: 'TCP port of the listener; 0 takes any free one',
  },
  {
    name: 'host',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'IP literal or `localhost`; unset: all interfaces (`127.0.0.1` for `serve`)',
  },
  {
    name: 'dialect',
    kind: choice(...DIALECT_NAMES),
    fallback: 'bitnet',
    meaning: 'what `/health` answers; `dynamo-worker` by itself where a `DYN_SYSTEM_*` variable is set',
  },
  {
    name: 'details',
    kind: choice('documented', 'full'),
    fallback: null,
    meaning: '`full` adds stacks and error texts; unset: `full` on loopback and unix sockets only',
  },
  {
    name: 'listeners',
    kind: { type: 'listeners' },
    fallback: null,
    meaning: 'several listeners instead of `port` and `host`, as `127.0.0.1:8081,unix:/run/health.sock`',
  },
  {
    name: 'httpEngine',
    kind: choice('auto', 'uws', 'http'),
    fallback: 'auto',
    meaning: 'uWebSockets.js where it loads, else node:http; or one of them by force',
  },
  {
    name: 'native',
    kind: choice('auto', 'off', 'required'),
    fallback: 'auto',
    meaning: 'the C++ addon: where it loads, never, or an error without it',
  },
  {
    name: 'startupGraceMs',
    kind: integer(0, DAY_MS),
    fallback: 5000,
    meaning: '`/health/live` is 503 for this long after the start',
  },
  {
    name: 'degradedOk',
    kind: { type: 'boolean' },
    fallback: false,
    meaning: '`/health` answers 200 while degraded',
  },
  {
    name: 'liveStallMs',
    kind: integer(100, DAY_MS),
    fallback: 60_000,
    meaning: 'a main thread blocked longer than this is not live',
  },
  {
    name: 'loopUnreadyMs',
    kind: integer(50, DAY_MS),
    fallback: 1000,
    meaning: 'a main thread blocked longer than this is not ready',
  },
  {
    name: 'stallStackAfterMs',
    kind: integer(0, DAY_MS),
    fallback: 1000,
    meaning: 'capture the stack of a main thread blocked longer than this; 0 = off',
  },
  {
    name: 'sampleHz',
    kind: { type: 'number', min: 1, max: 100 },
    fallback: 1,
    meaning: 'host samples a second',
  },
  { name: 'perCore', kind: { type: 'boolean' }, fallback: false, meaning: 'sample every CPU core as well' },
  {
    name: 'memory.degradedPercent',
    kind: { type: 'number', min: 1, max: 100 },
    fallback: 80,
    meaning: 'memory use above this is degraded',
  },
  {
    name: 'memory.unhealthyPercent',
    kind: { type: 'number', min: 1, max: 100 },
    fallback: 90,
    meaning: 'memory use above this is unhealthy',
  },
  {
    name: 'gates',
    kind: { type: 'list' },
    fallback: null,
    meaning: 'further components that gate readiness, as `cpu`',
  },
  {
    name: 'aggregation',
    kind: choice('documented', 'worst'),
    fallback: 'documented',
    meaning: '`worst`: an unhealthy component of any kind makes the whole unhealthy',
  },
  {
    name: 'gpu.mode',
    kind: choice('auto', 'off', 'required'),
    fallback: 'auto',
    meaning: 'GPUs where a driver is, never, or unhealthy without one',
  },
  {
    name: 'gpu.devices',
    kind: { type: 'devices' },
    fallback: null,
    meaning:
      'GPUs that this process uses; unset: as `CUDA_VISIBLE_DEVICES`, `NVIDIA_VISIBLE_DEVICES`, else all',
  },
  {
    name: 'gpu.library',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'path of libnvidia-ml.so.1; unset: where drivers put it',
  },
  {
    name: 'gpu.kmsg',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'path of the kernel log; unset: /dev/kmsg',
  },
  {
    name: 'gpu.isolation',
    kind: choice('thread', 'process'),
    fallback: 'thread',
    meaning: 'where the driver is asked: on threads of this process or in a helper process',
  },
  {
    name: 'gpu.segment',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'file of a helper process that runs elsewhere, with `process`; unset: one is started',
  },
  {
    name: 'onGpuFailure',
    kind: choice('shutdown', 'unready', 'ignore'),
    fallback: 'unready',
    meaning: 'on a GPU fault that needs a restart or more: drain and exit, only be not ready, or only report',
  },
  {
    name: 'exitCodes',
    kind: choice('standard', 'distinct'),
    fallback: 'standard',
    meaning: '`distinct`: exit code 74 where a restart will not help',
  },
  ...ENDPOINT_SPECS,
  ...CANARY_SPECS,
  ...ENGINE_SPECS,
  ...SHUTDOWN_SPECS,
  ...LIMITS_SPECS,
  ...ADMIN_SPECS,
  {
    name: 'version',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'version of the application; unset: that of its package.json',
  },
  {
    name: 'root',
    kind: { type: 'string' },
    fallback: '',
    meaning: 'prefix of /proc and /sys, for tests and for a host tree mounted elsewhere',
  },
];

/** Options without a plain value: they have no environment variable. */
export const OBJECT_OPTIONS: readonly string[] = ['logger', 'signal', 'registry'];

/** `memory.degradedPercent` → `INFERENCE_HEALTH_MEMORY_DEGRADED_PERCENT`. */
export function environmentName(option: string): string {
  return `INFERENCE_HEALTH_${option.replace(/\./g, '_').replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** `memory.degradedPercent` → `--memory-degraded-percent`. */
export function flagName(option: string): string {
  return `--${option.replace(/\./g, '-').replace(/[A-Z]/g, '-$&').toLowerCase()}`;
}

/** Environment names that are not options but belong to the package. */
export const OTHER_ENVIRONMENT: readonly string[] = [
  'INFERENCE_HEALTH_FLEET_TOKEN',
  'INFERENCE_HEALTH_API_TOKEN',
];
