import { describe, expect, it, vi } from 'vitest';
import { blockMain, cancelAll, drain } from '../../scripts/lib/llama/proofs.mjs';
import { HAS_ENGINE } from './helpers.js';

// What takes seconds may take much longer where the machine has more to do than this.
vi.setConfig({ testTimeout: 90_000 });

// The short form of `npm run proof -- llama`.
describe.runIf(HAS_ENGINE)('examples/llama.mjs', () => {
  it('completes every stream in flight on SIGTERM, refuses what comes later, and exits with 0', async () => {
    const { code, complete, outcomes, late } = await drain({ streams: 40, tokens: 100 });
    expect({ code, complete, outcomes }).toEqual({ code: 0, complete: 40, outcomes: { end: 40 } });
    for (const { status, retryAfter } of late) {
      expect(status).toBe(503);
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    }
  });

  it('tells every stream that the deadline cut it off, and exits with 75', async () => {
    const { code, outcomes, errors } = await drain({ streams: 60, tokens: 900, graceMs: 1000 });
    expect(code).toBe(75);
    expect(outcomes.broken).toBeUndefined();
    expect((outcomes.error ?? 0) + (outcomes.refused ?? 0) + (outcomes.end ?? 0)).toBe(60);
    expect(errors.join()).toContain('ERR_DRAINING');
  });

  it('stops a thousand cancelled requests in the engine, and leaves nothing behind', async () => {
    const result = await cancelAll({ requests: 1000, rounds: 1 });
    expect(result).toMatchObject({ requests: 1000, active: 0, running: 0, waiting: 0, nodeWarnings: 0 });
    expect(result.warnings).toBe('');
    expect(result.p99Ms).toBeLessThan(30_000);
  });

  it('stays alive and counts no canary as failed while its main thread is blocked', async () => {
    const result = await blockMain({ ms: 4000 });
    expect(result).toMatchObject({
      reason: 'event_loop.blocked',
      notLive: 0,
      canaryFailures: 0,
      ready: true,
    });
    expect(result.probes).toBeGreaterThan(0);
  });
});
