import { describe, expect, it } from 'vitest';
import type { Config } from '../../lib/config/options.js';
import { resolveConfig } from '../../lib/config/resolve.js';
import { CANARY } from './rows.js';

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
