import { describe, expect, it } from 'vitest';
import type { HealthOptions } from '../../lib/config/options.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { environmentName, flagName, OPTIONS } from '../../lib/config/schema.js';

const problem = (options: unknown, environment: Record<string, string> = {}): string => {
  try {
    resolveConfig(options as HealthOptions, environment);
  } catch (error) {
    expect(error).toMatchObject({ name: 'InferenceHealthError', code: 'ERR_CONFIG_INVALID' });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

describe('the configuration', () => {
  it('has the documented defaults', () => {
    expect(resolveConfig()).toMatchObject({
      listeners: [{ kind: 'tcp', host: null, port: 8081, dialect: 'bitnet', details: 'documented' }],
      httpEngine: 'auto',
      startupGraceMs: 5000,
      degradedOk: false,
      liveStallMs: 60_000,
      loopUnreadyMs: 1000,
      stallStackAfterMs: 1000,
      sampleHz: 1,
      memoryDegradedPercent: 80,
      memoryUnhealthyPercent: 90,
      gates: [],
      shutdown: null,
    });
  });

  it('prefers options to variables and variables to defaults', () => {
    const environment = { INFERENCE_HEALTH_PORT: '9000', INFERENCE_HEALTH_SAMPLE_HZ: '10' };
    const config = resolveConfig({ port: 9001 }, environment);
    expect(config.listeners[0]).toMatchObject({ port: 9001 });
    expect(config.sampleHz).toBe(10);
  });

  it('takes an empty variable as unset', () => {
    expect(resolveConfig({}, { INFERENCE_HEALTH_PORT: '', INFERENCE_HEALTH_DEGRADED_OK: ' ' })).toMatchObject(
      { degradedOk: false },
    );
  });

  it.each([
    ['true', true],
    ['1', true],
    ['YES', true],
    ['off', false],
    ['0', false],
  ])('reads %s as %s', (text, expected) => {
    expect(resolveConfig({}, { INFERENCE_HEALTH_DEGRADED_OK: text }).degradedOk).toBe(expected);
  });

  it('reads nested options and lists from variables', () => {
    const config = resolveConfig(
      {},
      { INFERENCE_HEALTH_MEMORY_DEGRADED_PERCENT: '70.5', INFERENCE_HEALTH_GATES: 'cpu, cache' },
    );
    expect(config.memoryDegradedPercent).toBe(70.5);
    expect(config.gates).toEqual(['cpu', 'cache']);
  });

  it('reads several listeners from one variable', () => {
    const config = resolveConfig(
      {},
      { INFERENCE_HEALTH_LISTENERS: '127.0.0.1:8081, [::1]:0, 9000, unix:/run/h.sock' },
    );
    expect(config.listeners).toEqual([
      { kind: 'tcp', host: '127.0.0.1', port: 8081, dialect: 'bitnet', details: 'full' },
      { kind: 'tcp', host: '::1', port: 0, dialect: 'bitnet', details: 'full' },
      { kind: 'tcp', host: null, port: 9000, dialect: 'bitnet', details: 'documented' },
      { kind: 'unix', path: '/run/h.sock', mode: 0o600, dialect: 'bitnet', details: 'full' },
    ]);
  });

  it.each([
    [{ port: 65536 }, /option port: expected an integer from 0 to 65535, received 65536/],
    [{ port: '8081' }, /option port: expected an integer.*received "8081"/],
    [{ port: 1.5 }, /option port/],
    [{ prot: 1 }, /unknown option 'prot' \(did you mean port\?\)/],
    [{ hots: 1 }, /unknown option 'hots' \(did you mean host\?\)/],
    [{ foo: 1 }, /unknown option 'foo'; known: port, /],
    [
      { memory: { degradedPercnt: 3 } },
      /unknown option memory 'degradedPercnt' \(did you mean degradedPercent\?\)/,
    ],
    [{ memory: 3 }, /option memory: expected an object, received 3/],
    [
      { memory: { degradedPercent: 95 } },
      /memory.degradedPercent: expected at most memory.unhealthyPercent \(90\), received 95/,
    ],
    [{ httpEngine: 'nginx' }, /option httpEngine: expected 'auto' or 'uws' or 'http', received "nginx"/],
    [
      { listeners: [] },
      /option listeners: expected an array of at least one listener, received an empty array/,
    ],
    [null, /options: expected an object, received null/],
    [42, /options: expected an object, received 42/],
    [{ shutdown: { signals: ['SIGKILL'] } }, /received \["SIGKILL"\]/],
    [{ listeners: [{}] }, /listeners\[0\]: expected a port or a path/],
    [{ listeners: [{ port: 1, path: '/x' }] }, /listeners\[0\]: expected either path or port and host/],
    [{ listeners: [{ prot: 1 }] }, /unknown listeners\[0\] key 'prot'/],
    [{ listeners: [{ path: '/x', mode: 0o1777 }] }, /listeners\[0\]\.mode/],
    [{ port: 1, listeners: [{ port: 2 }] }, /cannot be combined/],
    [{ shutdown: { signals: ['SIGKILL'] } }, /option shutdown.signals/],
    [
      { shutdown: { gracePeriod: 1 } },
      /unknown option shutdown 'gracePeriod' \(did you mean gracePeriodMs\?\)/,
    ],
    [{ logger: {} }, /option logger: expected an object with debug, info, warn and error/],
    [{ registry: {} }, /option registry: expected an object with metrics\(\)/],
    [{ signal: 1 }, /option signal: expected an AbortSignal/],
    [{ root: 'a\0b' }, /option root/],
    [{ gpu: { mode: 'on' } }, /option gpu.mode: expected 'auto' or 'off' or 'required'/],
    [{ gpu: { device: [0] } }, /unknown option gpu 'device' \(did you mean devices\?\)/],
    [{ gpu: { devices: [-1] } }, /option gpu.devices: expected an array of GPU indices and UUIDs/],
    [{ gpu: { xids: { 79: 'explode' } } }, /option gpu.xids\[79\]: expected ignore, watch, restart/],
    [
      { gpu: { xids: { 79: { actoin: 'reset' } } } },
      /unknown option gpu.xids\[79\] 'actoin' \(did you mean action\?\)/,
    ],
    [{ gpu: { findings: { 'gpu.memory_full': 'fine' } } }, /expected degraded, unhealthy, ignore/],
    [{ onGpuFailure: 'panic' }, /option onGpuFailure/],
  ])('refuses %j and says why', (options, expected) => {
    expect(problem(options)).toMatch(expected);
  });

  it.each([
    [
      'INFERENCE_HEALTH_PORT',
      'eighty',
      /INFERENCE_HEALTH_PORT: expected an integer from 0 to 65535, received "eighty"/,
    ],
    ['INFERENCE_HEALTH_PORT', '-1', /from 0 to 65535, received -1/],
    [
      'INFERENCE_HEALTH_PROT',
      '1',
      /unknown environment variable INFERENCE_HEALTH_PROT \(did you mean INFERENCE_HEALTH_PORT\?\)/,
    ],
    ['INFERENCE_HEALTH_FOO', '1', /unknown environment variable INFERENCE_HEALTH_FOO$/],
    ['INFERENCE_HEALTH_DEGRADED_OK', 'maybe', /expected true or false, received "maybe"/],
    ['INFERENCE_HEALTH_LISTENERS', 'here:there', /expected host:port or unix:\/path/],
  ])('refuses %s=%s and names the variable', (name, value, expected) => {
    expect(problem({}, { [name]: value })).toMatch(expected);
  });

  it('ignores what Kubernetes injects for a Service of that name', () => {
    const injected = {
      INFERENCE_HEALTH_SERVICE_HOST: '10.0.0.1',
      INFERENCE_HEALTH_SERVICE_PORT: '8081',
      INFERENCE_HEALTH_SERVICE_PORT_HTTP: '8081',
      INFERENCE_HEALTH_PORT: 'tcp://10.0.0.1:8081',
      INFERENCE_HEALTH_PORT_8081_TCP: 'tcp://10.0.0.1:8081',
      INFERENCE_HEALTH_PORT_8081_TCP_ADDR: '10.0.0.1',
      INFERENCE_HEALTH_API_SERVICE_HOST: '10.0.0.2',
      INFERENCE_HEALTH_API_PORT: 'tcp://10.0.0.2:80',
    };
    expect(resolveConfig({}, injected).listeners[0]).toMatchObject({ port: 8081 });
    expect(problem({}, { INFERENCE_HEALTH_PORT: 'udp' })).toMatch(/INFERENCE_HEALTH_PORT/);
  });

  it('names every option, variable and flag once', () => {
    const names = OPTIONS.flatMap(({ name }) => [environmentName(name), flagName(name)]);
    expect(new Set(names).size).toBe(names.length);
    expect(environmentName('memory.degradedPercent')).toBe('INFERENCE_HEALTH_MEMORY_DEGRADED_PERCENT');
    expect(flagName('stallStackAfterMs')).toBe('--stall-stack-after-ms');
  });

  it('is frozen', () => {
    const config = resolveConfig();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.listeners[0])).toBe(true);
  });
});
