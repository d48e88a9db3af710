import { describe, expect, it, vi } from 'vitest';
import { killEngine, stopEngine } from '../../scripts/lib/llama/proofs.mjs';
import { withServer } from '../../scripts/lib/llama/server.mjs';
import { HAS_ENGINE } from './helpers.js';

vi.setConfig({ testTimeout: 90_000 });

// `npm run proof -- llama` has the limits of the issue; here a busy machine may take as long as Dynamo's documents allow.
describe.runIf(HAS_ENGINE)('examples/llama.mjs', () => {
  it('streams tokens of the real engine, counts them and is ready', async () => {
    await withServer({}, async (server) => {
      const answer = await server.generate({ prompt: 'the clocks were striking', maxTokens: 30 }).ended;
      expect(answer).toMatchObject({ status: 200, outcome: 'end', tokens: 30 });
      expect((await server.probe('/health')).status).toBe(200);
      expect(await server.requests()).toMatchObject({ total_requests: 1, error_rate_percent: 0 });
      const gone = server.generate({ prompt: 'the clocks were striking', maxTokens: 900 });
      await gone.begun;
      gone.leave();
      await gone.ended;
      server.kill('SIGINT');
      expect((await server.exit).code).toBe(0);
      expect(server.stderr()).toBe('');
    });
  });

  it('refuses over its limits with Retry-After', async () => {
    const env = { INFERENCE_HEALTH_LIMITS_MAX_CONCURRENT: '1', INFERENCE_HEALTH_LIMITS_MAX_QUEUE: '0' };
    await withServer(env, async (server) => {
      const first = server.generate({ prompt: 'the clocks', maxTokens: 900 });
      await first.begun;
      const second = await server.generate({ prompt: 'the clocks', maxTokens: 1 }).ended;
      expect(second).toMatchObject({ outcome: 'refused', status: 503 });
      expect(Number(second.retryAfter)).toBeGreaterThanOrEqual(1);
      expect((await first.ended).outcome).toBe('end');
    });
  });

  it('is not ready while its engine is stopped, stays alive, and goes on where it was', async () => {
    const { unreadyMs, readyMs, live, reason, outcomes } = await stopEngine();
    expect(unreadyMs).toBeLessThan(45_000);
    expect(readyMs).toBeLessThan(30_000);
    expect({ live, reason, outcomes }).toEqual({
      live: 200,
      reason: 'inference_engine.stalled',
      outcomes: ['end'],
    });
  });

  it('tells every stream when its engine is killed, and exits with 1', async () => {
    const { code, exitMs, outcomes } = await killEngine({ streams: 40 });
    expect(code).toBe(1);
    expect(exitMs).toBeLessThan(25_000);
    expect(outcomes.broken).toBeUndefined();
    expect(outcomes.error).toBeGreaterThan(0);
  });
});
