import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../lib/cli/flags.js';
import type { HealthOptions } from '../../lib/config/options.js';
import { resolveConfig } from '../../lib/config/resolve.js';

const TOKEN = 'sixteen-bytes-ok';
const problem = (options: unknown, environment: Record<string, string> = {}): string => {
  try {
    resolveConfig(options as HealthOptions, environment);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

it('the sections have their defaults', () => {
  expect(resolveConfig()).toMatchObject({
    canary: null,
    engineMonitor: {
      stallFloorMs: 10_000,
      stallCeilingMs: 120_000,
      loadTimeoutMs: 1_800_000,
      prefillTimeoutMs: null,
      decodeTimeoutMs: null,
      heartbeatMs: 3000,
      checkIntervalMs: 2000,
      checkTimeoutMs: 30_000,
      shutdownTimeoutMs: 60_000,
    },
    onEngineFailure: 'unready',
    shutdown: null,
    drain: {
      signals: ['SIGTERM', 'SIGINT'],
      gracePeriodMs: 30_000,
      lameDuckMs: 0,
      drain: true,
      hookTimeoutMs: 5000,
    },
    limits: { maxConcurrent: null, maxQueue: 100, queueTimeoutMs: 10_000, maxQueueBytes: null },
    admin: null,
    requiredEndpoints: [],
    startingHealthStatus: 'notready',
    liveMode: 'documented',
    warnings: [],
  });
});

describe('a section that is off until it is asked for', () => {
  it('is on with true, with an object, or by its variable, and its parts alone turn nothing on', () => {
    expect(resolveConfig({ canary: true }).canary).toMatchObject({ waitMs: 10_000 });
    expect(resolveConfig({ canary: {} }).canary).toMatchObject({ waitMs: 10_000 });
    expect(resolveConfig({ canary: { failures: 2, of: 3 } }).canary).toMatchObject({ failures: 2, of: 3 });
    expect(resolveConfig({ canary: { failures: 4 } }).canary).toMatchObject({ failures: 4, of: 4 });
    expect(resolveConfig({}, { INFERENCE_HEALTH_CANARY: 'on' }).canary).not.toBeNull();
    expect(resolveConfig({}, { INFERENCE_HEALTH_CANARY_WAIT_MS: '5000' }).canary).toBeNull();
    expect(
      resolveConfig({ canary: true }, { INFERENCE_HEALTH_CANARY_PAYLOAD: '{"a":[1]}' }).canary?.payload,
    ).toEqual({ a: [1] });
    expect(resolveConfig({ shutdown: { lameDuckMs: 5 } }).shutdown).toMatchObject({
      lameDuckMs: 5,
      drain: true,
    });
    expect(resolveConfig({}, { INFERENCE_HEALTH_SHUTDOWN_DRAIN: 'false' })).toMatchObject({
      shutdown: null,
      drain: { drain: false },
    });
  });

  it('keeps what its flags say when the command turns it on', () => {
    const flags = parseFlags(['--shutdown-grace-period-ms', '1500', '--no-shutdown-drain']);
    expect(resolveConfig({ ...flags, shutdown: flags.shutdown ?? true }).shutdown).toMatchObject({
      gracePeriodMs: 1500,
      drain: false,
    });
  });
});

it.each([
  [{ canary: 1 }, /option canary: expected true, false or an object, received 1/],
  [{ canary: { waitMS: 1 } }, /unknown option canary 'waitMS' \(did you mean waitMs\?\)/],
  [{ canary: { waitMs: 0 } }, /option canary.waitMs: expected a number from 50 to 86400000, received 0/],
  [
    { canary: { failures: 3, of: 2 } },
    /option canary.of: expected at least canary.failures \(3\), received 2/,
  ],
  [
    { canary: { payload: [] } },
    /option canary.payload: expected an object \(JSON\), received an empty array/,
  ],
  [
    { engineMonitor: { stallFloorMs: 200, stallCeilingMs: 100 } },
    /stallFloorMs: expected at most engineMonitor.stallCeilingMs \(100\), received 200/,
  ],
  [{ engineMonitor: true }, /option engineMonitor: expected an object/],
  [{ onEngineFailure: 'panic' }, /option onEngineFailure: expected 'shutdown' or 'unready' or 'ignore'/],
  [{ shutdown: { drain: 'no' } }, /option shutdown.drain: expected true or false/],
  [{ limits: { maxConcurrent: 0 } }, /option limits.maxConcurrent: expected an integer from 1/],
  [{ limits: { maxQueu: 0 } }, /unknown option limits 'maxQueu' \(did you mean maxQueue\?\)/],
  [{ requiredEndpoints: 'generate' }, /option requiredEndpoints: expected an array of names/],
  [{ requiredEndpoints: ['two words'] }, /requiredEndpoints.*expected names of 1 to 64 letters/],
  [{ liveMode: 'deep' }, /option liveMode: expected 'documented' or 'shallow'/],
  [{ paths: { helth: '/x' } }, /unknown option paths 'helth' \(did you mean health\?\)/],
  [{ dialect: 'dynamo-worker', paths: { health: 'x' } }, /paths.health.*expected a path that begins with \//],
  [
    { listeners: [{ port: 1, paths: { health: '/x' } }] },
    /listeners\[0\].paths: expected paths only with dialect/,
  ],
  [
    { listeners: [{ port: 1, dialect: 'dynamo-worker', paths: { live: '/metrics' } }] },
    /listeners\[0\].paths.live.*expected a path other than/,
  ],
  [{ admin: { port: 1, path: '/x', token: TOKEN } }, /option admin: expected either path or port and host/],
  [{ admin: { port: 1 } }, /option admin: expected either token or tokenFile, received "neither"/],
  [{ admin: { port: 1, token: TOKEN, tokenFile: '/x' } }, /received "both"/],
  [{ admin: { port: 1, host: '0.0.0.0', token: TOKEN } }, /option admin.host: expected a loopback address/],
  [
    { admin: { port: 1, host: '127.evil.example', token: TOKEN } },
    /option admin.host: expected a loopback address/,
  ],
  [
    { admin: { path: '/x', tokenFile: '/no/such' } },
    /option admin.tokenFile: expected a readable file \(ENOENT\)/,
  ],
  [{ admin: { path: '/x', tokenFile: '/dev/zero' } }, /option admin.tokenFile: expected a regular file/],
])('%j is refused, and it is said why', (options, expected) => {
  expect(problem(options)).toMatch(expected);
});

describe('the token of the admin listener', () => {
  it('is in no message, however wrong', () => {
    for (const token of ['short-secret', 'secret with spaces in it', 'sécret-of-sixteen-bytes']) {
      const message = problem({ admin: { port: 0, token } });
      expect(message).toMatch(/option admin.token: expected a token of at least 16 bytes, visible ASCII/);
      expect(message).not.toContain(token);
    }
  });

  it('comes from a variable or a file, and not from the command line', () => {
    const folder = mkdtempSync(join(tmpdir(), 'token-'));
    try {
      const file = join(folder, 'token');
      writeFileSync(file, `${TOKEN}\n`);
      expect(resolveConfig({ admin: { path: '/run/a.sock', tokenFile: file } }).admin).toEqual({
        kind: 'unix',
        path: '/run/a.sock',
        mode: 0o600,
        token: TOKEN,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
    const environment = { INFERENCE_HEALTH_ADMIN_PORT: '0', INFERENCE_HEALTH_ADMIN_TOKEN: TOKEN };
    expect(resolveConfig({}, environment).admin).toEqual({
      kind: 'tcp',
      host: '127.0.0.1',
      port: 0,
      token: TOKEN,
    });
    expect(() => parseFlags(['--admin-token', TOKEN])).toThrow(/unknown flag --admin-token/);
  });
});
