import { describe, expect, it } from 'vitest';
import { createWorkerHealth, type WorkerCondition } from '../../lib/fleet/worker-health.js';

/** Beacons every 250 ms, as `at` makes them; null: none. */
function watch(
  untilMs: number,
  at: (ms: number) => { step: number; running: number; tokens?: number; expectedStepMs?: number } | null,
) {
  const health = createWorkerHealth(0);
  const seen: { readonly atMs: number; readonly condition: WorkerCondition }[] = [];
  for (let atMs = 0; atMs <= untilMs; atMs += 50) {
    const beacon = atMs % 250 === 0 ? at(atMs) : null;
    if (beacon !== null)
      health.beacon({
        atMs,
        engineStep: beacon.step,
        running: beacon.running,
        scheduledTokens: beacon.tokens ?? beacon.step,
        expectedStepMs: beacon.expectedStepMs ?? 0,
      });
    const condition = health.condition(atMs);
    if (condition !== seen.at(-1)?.condition) seen.push({ atMs, condition });
  }
  return seen;
}

describe('the condition of a worker', () => {
  it('is alive while beacons come and the engine moves, or has nothing to do', () => {
    expect(watch(60_000, (ms) => ({ step: ms, running: 3 }))).toEqual([{ atMs: 0, condition: 'alive' }]);
    expect(watch(60_000, () => ({ step: 7, running: 0 }))).toEqual([{ atMs: 0, condition: 'alive' }]);
  });

  it('is frozen within 3 s of the last beacon, and suspect before', () => {
    expect(watch(20_000, (ms) => (ms <= 5000 ? { step: ms, running: 1 } : null))).toEqual([
      { atMs: 0, condition: 'alive' },
      { atMs: 6000, condition: 'suspect' },
      { atMs: 7500, condition: 'frozen' },
    ]);
  });

  it('is hung within 5 s when beacons come but the engine stands still with work to do', () => {
    const seen = watch(20_000, (ms) => ({ step: Math.min(ms, 5000), running: 2 }));
    expect(seen).toEqual([
      { atMs: 0, condition: 'alive' },
      { atMs: 7000, condition: 'suspect' },
      { atMs: 9500, condition: 'hung' },
    ]);
  });

  it('stays alive in a long prefill that gives tokens to the engine, or has said how long its step takes', () => {
    expect(watch(60_000, (ms) => ({ step: 1, running: 1, tokens: Math.floor(ms / 1500) }))).toHaveLength(1);
    expect(watch(20_000, () => ({ step: 1, running: 1, expectedStepMs: 8000 }))).toHaveLength(1);
  });

  it('does not count idle time against an engine that has just got work', () => {
    const seen = watch(30_000, (ms) => ({ step: ms > 20_000 ? ms : 1, running: ms >= 19_000 ? 1 : 0 }));
    expect(seen).toEqual([{ atMs: 0, condition: 'alive' }]);
  });

  it('is alive again with the next sign of life, and does not notice pauses of 50 ms', () => {
    const seen = watch(20_000, (ms) => (ms > 5000 && ms < 12_000 ? null : { step: ms, running: 1 }));
    expect(seen.map(({ condition }) => condition)).toEqual(['alive', 'suspect', 'frozen', 'alive']);
  });

  it('takes a token for a sign of both', () => {
    const health = createWorkerHealth(0);
    health.beacon({ atMs: 0, engineStep: 1, running: 1, scheduledTokens: 1, expectedStepMs: 0 });
    health.frame(9000);
    expect(health.condition(9900)).toBe('alive');
    expect(health.nextChangeMs(9900)).toBe(10_000);
  });
});
