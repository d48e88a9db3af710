import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DYNAMO_NAMES } from '../../lib/config/dynamo-names.js';
import { DYNAMO_VARIABLES } from '../../lib/config/dynamo-options.js';
import type { Config, HealthOptions } from '../../lib/config/options.js';
import { resolveConfig } from '../../lib/config/resolve.js';

type Environment = Record<string, string>;

const problem = (environment: Environment, options: HealthOptions = {}): string => {
  try {
    resolveConfig(options, environment);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};
const listeners = (environment: Environment, options: HealthOptions = {}) =>
  resolveConfig(options, environment).listeners.map((listener) =>
    listener.kind === 'tcp'
      ? [listener.host, listener.port, listener.dialect]
      : [listener.path, listener.dialect],
  );

/** Each variable alone: texts that are good with what they make, and texts that are refused. */
interface Row {
  readonly good: readonly (readonly [text: string, value: unknown])[];
  readonly bad: readonly string[];
  readonly read: (config: Config) => unknown;
  /** Further variables without which the value is not to be seen. */
  readonly beside?: Environment;
}

const CANARY = { DYN_HEALTH_CHECK_ENABLED: 'true' };
const first = (config: Config) => config.listeners[0];
const paths = (config: Config) => first(config)?.paths;

const ROWS: Readonly<Record<string, Row>> = {
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

it('covers every variable that is read', () => {
  expect(Object.keys(ROWS).sort()).toEqual([...DYNAMO_NAMES].sort());
  expect(DYNAMO_VARIABLES.map(({ variable }) => variable).filter((name) => !(name in ROWS))).toEqual([]);
});

describe.each(Object.entries(ROWS))('%s', (name, { good, bad, read, beside = {} }) => {
  it.each(good)('%s counts', (text, value) => {
    expect(read(resolveConfig({}, { ...beside, [name]: text }))).toEqual(value);
    expect(read(resolveConfig({}, { ...beside, [name]: ` ${text} ` }))).toEqual(value);
  });

  it.each(bad)('%s is an error that names the variable and the text', (text) => {
    const message = problem({ ...beside, [name]: text });
    expect(message).toContain(name);
    expect(message).toMatch(/expected .*received/);
  });

  it.each(['', ' '])("'%s' is as if it were not set", (text) => {
    expect(resolveConfig({}, { ...beside, [name]: text })).toEqual(resolveConfig({}, beside));
  });
});

it('reads the payload from a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'payload-'));
  try {
    const file = join(folder, 'payload.json');
    writeFileSync(file, '{"prompt":"Test"}\n');
    const environment = { ...CANARY, DYN_HEALTH_CHECK_PAYLOAD: `@${file}` };
    expect(resolveConfig({}, environment).canary?.payload).toEqual({ prompt: 'Test' });
    expect(problem({ ...CANARY, DYN_HEALTH_CHECK_PAYLOAD: `@${folder}` })).toMatch(/regular file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('where it listens', () => {
  const OURS = [null, 8081, 'bitnet'];
  const it2 = it.each<[string, Environment, HealthOptions, unknown[]]>([
    ['nothing set', {}, {}, [OURS]],
    ['a port', { DYN_SYSTEM_PORT: '9090' }, {}, [[null, 9090, 'dynamo-worker']]],
    ['another variable alone', { DYN_SYSTEM_ENABLED: 'true' }, {}, [[null, 8081, 'dynamo-worker']]],
    ['the host alone', { DYN_SYSTEM_HOST: '127.0.0.1' }, {}, [['127.0.0.1', 8081, 'dynamo-worker']]],
    [
      'both ports',
      { DYN_SYSTEM_PORT: '9090', INFERENCE_HEALTH_PORT: '8080' },
      {},
      [
        [null, 8080, 'bitnet'],
        [null, 9090, 'dynamo-worker'],
      ],
    ],
    [
      'both ports, ours in code with a host, and theirs with another',
      { DYN_SYSTEM_PORT: '9090', DYN_SYSTEM_HOST: '0.0.0.0' },
      { port: 8080, host: '127.0.0.1' },
      [
        ['127.0.0.1', 8080, 'bitnet'],
        ['0.0.0.0', 9090, 'dynamo-worker'],
      ],
    ],
    [
      'any free port twice',
      { DYN_SYSTEM_PORT: '0' },
      { port: 0 },
      [
        [null, 0, 'bitnet'],
        [null, 0, 'dynamo-worker'],
      ],
    ],
    ['the same port twice', { DYN_SYSTEM_PORT: '8081' }, { port: 8081 }, [[null, 8081, 'dynamo-worker']]],
    [
      'our port, and no port of theirs',
      { DYN_SYSTEM_ENABLED: '1' },
      { port: 8080 },
      [[null, 8080, 'dynamo-worker']],
    ],
    ['a dialect in code', { DYN_SYSTEM_PORT: '9090' }, { dialect: 'bitnet' }, [[null, 9090, 'bitnet']]],
    [
      'a list and their port',
      { DYN_SYSTEM_PORT: '9090' },
      { listeners: [{ path: '/run/h.sock' }] },
      [
        ['/run/h.sock', 'bitnet'],
        [null, 9090, 'dynamo-worker'],
      ],
    ],
    [
      'a list that has their port',
      { DYN_SYSTEM_PORT: '9090' },
      { listeners: [{ port: 9090 }] },
      [[null, 9090, 'bitnet']],
    ],
    [
      'a list and no port of theirs',
      { DYN_SYSTEM_ENABLED: 'true' },
      { listeners: [{ port: 1 }] },
      [[null, 1, 'dynamo-worker']],
    ],
    ['port -1', { DYN_SYSTEM_PORT: '-1' }, {}, []],
    ['not enabled, with a port', { DYN_SYSTEM_ENABLED: 'false', DYN_SYSTEM_PORT: '9090' }, {}, []],
    ['off, and our own port', { DYN_SYSTEM_PORT: '-1' }, { port: 8080 }, [[null, 8080, 'bitnet']]],
    [
      'off, and a list of ours',
      { DYN_SYSTEM_PORT: '-1' },
      { listeners: [{ port: 1 }] },
      [[null, 1, 'bitnet']],
    ],
    [
      'what Kubernetes makes up',
      { DYN_SYSTEM_PORT: 'tcp://10.0.0.1:80', DYN_SYSTEM_SERVICE_HOST: '10.0.0.1' },
      {},
      [OURS],
    ],
    ['a numbered port of a launcher', { DYN_SYSTEM_PORT1: '9091', DYN_SYSTEM_PORT2: '9092' }, {}, [OURS]],
  ]);
  it2('%s', (_name, environment, options, expected) => {
    expect(listeners(environment, options)).toEqual(expected);
  });
});

describe('what wins', () => {
  it('is code before our variables before theirs', () => {
    const environment = { ...CANARY, DYN_CANARY_WAIT_TIME: '1', INFERENCE_HEALTH_CANARY_WAIT_MS: '2000' };
    expect(resolveConfig({ canary: { waitMs: 3000 } }, environment).canary?.waitMs).toBe(3000);
    expect(resolveConfig({}, environment).canary?.waitMs).toBe(2000);
    expect(resolveConfig({}, { ...CANARY, DYN_CANARY_WAIT_TIME: '1' }).canary?.waitMs).toBe(1000);
    expect(resolveConfig({}, CANARY).canary).toEqual({
      waitMs: 10_000,
      timeoutMs: 3000,
      payload: null,
      failures: 1,
      of: 1,
      jitterPercent: 0,
      adaptive: false,
    });
    expect(resolveConfig({ canary: false }, CANARY).canary).toBeNull();
  });

  it("is the worker's own deadline before the runtime's", () => {
    const environment = {
      DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT: '20',
      DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS: '900',
    };
    expect(resolveConfig({}, environment).drain.gracePeriodMs).toBe(20_000);
  });

  it('is shutdown on failures as soon as a variable of the server is set, even to turn it off', () => {
    const both = ({ onGpuFailure, onEngineFailure }: Config) => [onGpuFailure, onEngineFailure];
    expect(both(resolveConfig())).toEqual(['unready', 'unready']);
    expect(both(resolveConfig({}, { DYN_SYSTEM_PORT: '9090' }))).toEqual(['shutdown', 'shutdown']);
    expect(both(resolveConfig({}, { DYN_SYSTEM_PORT: '-1' }))).toEqual(['shutdown', 'shutdown']);
    expect(both(resolveConfig({}, CANARY))).toEqual(['unready', 'unready']);
    expect(both(resolveConfig({ onEngineFailure: 'ignore' }, { DYN_SYSTEM_PORT: '1' }))).toEqual([
      'shutdown',
      'ignore',
    ]);
  });
});

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
