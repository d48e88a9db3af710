import { describe, expect, it } from 'vitest';
import { DYNAMO_NAMES } from '../../lib/config/dynamo-names.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { ROWS } from './rows.js';

describe('a name that is near one that is read', () => {
  it.each([
    ['DYN_SYSTEM_PROT', 'DYN_SYSTEM_PORT'],
    ['DYN_SYSTEM_PATH_HEALTH', 'DYN_SYSTEM_HEALTH_PATH'],
    ['DYN_CANARY_WAIT_TIME_SECS', 'DYN_CANARY_WAIT_TIME'],
    ['DYN_CANARY_WAIT', 'DYN_CANARY_WAIT_TIME'],
    ['DYN_HEALTH_CHECK_REQUEST_TIMEOUT_SECS', 'DYN_HEALTH_CHECK_REQUEST_TIMEOUT'],
    ['DYN_HEALTH_CHECK_TIMEOUT', 'DYN_HEALTH_CHECK_REQUEST_TIMEOUT'],
    ['DYN_SYSTEM_HEALTH_CHECK_ENABLED', 'DYN_HEALTH_CHECK_ENABLED'],
    ['DYN_RUNTIME_SYSTEM_PORT', 'DYN_SYSTEM_PORT'],
    ['DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD', 'DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS'],
    ['DYN_SYSTEM_USE_ENDPOINT_HEALTH', 'DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS'],
  ])('%s warns', (name, meant) => {
    const { warnings, listeners: bound } = resolveConfig({}, { [name]: 'x' });
    expect(warnings).toEqual([`the variable ${name} is not read (did you mean ${meant}?)`]);
    expect(bound).toMatchObject([{ dialect: 'bitnet' }]);
  });

  it.each([
    'DYN_LOG',
    'DYN_HTTP_PORT',
    'DYN_NAMESPACE',
    'DYN_SYSTEM_PORT1',
    'DYN_SYSTEM_PORT_2',
    'DYN_SYSTEM_SERVICE_PORT_HTTP',
    'DYN_RUNTIME_NUM_WORKER_THREADS',
    'DYN_LORA_ENABLED',
    'DYN_ROUTER_MODE',
    'DYN_KVBM_CPU_CACHE_GB',
    'DYN_METRICS_PREFIX',
    'DYN_PREFILL_DRAIN_TIMEOUT_S',
    'DYNAMO_PORT',
    'OTHER',
    ...DYNAMO_NAMES,
  ])('%s does not', (name) => {
    const text = ROWS[name]?.good[0]?.[0] ?? '1';
    expect(resolveConfig({}, { [name]: text }).warnings).toEqual([]);
  });
});
