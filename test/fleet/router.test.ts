import { describe, expect, it } from 'vitest';
import { type RoutableWorker, route } from '../../lib/fleet/router.js';

function worker(name: string, tokens: number, more: Partial<RoutableWorker> = {}): RoutableWorker {
  return {
    ref: { worker: name, incarnation: '1' },
    weight: 1,
    recentFailures: 0,
    isTrial: false,
    load: { tokens, kvRatio: Number.NaN, isStale: false, inFlight: 0 },
    condition: 'alive',
    cachedTokens: 0,
    ...more,
  };
}

/** Shares of many even draws. */
function shares(
  workers: readonly RoutableWorker[],
  excluded: readonly string[] = [],
): Record<string, number> {
  const counts: Record<string, number> = {};
  const request = {
    excluded: excluded.map((name) => ({ worker: name, incarnation: '1' })),
    promptTokens: 100,
  };
  for (let i = 0; i < 50; i += 1)
    for (let j = 0; j < 50; j += 1) {
      const chosen = route(request, workers, [(i + 0.5) / 50, (j + 0.5) / 50])?.ref.worker ?? 'none';
      counts[chosen] = (counts[chosen] ?? 0) + 1 / 2500;
    }
  return counts;
}

describe('the router', () => {
  it('takes the less loaded of two', () => {
    const chosen = shares([worker('a', 100), worker('b', 1000), worker('c', 5000)]);
    expect(chosen.c).toBeUndefined();
    expect(chosen.a!).toBeGreaterThan(chosen.b!);
  });

  it('never takes who is excluded, and the well before the silent', () => {
    expect(shares([worker('a', 0), worker('b', 9000)], ['a'])).toEqual({ b: expect.closeTo(1) });
    expect(shares([worker('a', 0, { condition: 'frozen' }), worker('b', 9000)])).toEqual({
      b: expect.closeTo(1),
    });
    expect(shares([worker('a', 0, { condition: 'frozen' })])).toEqual({ a: expect.closeTo(1) });
    expect(shares([worker('a', 0)], ['a'])).toEqual({ none: expect.closeTo(1) });
  });

  it('does not take one that fails fast for idle', () => {
    const chosen = shares([worker('fails', 0, { recentFailures: 20 }), worker('works', 3000)]);
    expect(chosen.works).toBeCloseTo(1);
  });

  it('goes where the prefix is, unless that saves less than the wait costs', () => {
    expect(shares([worker('a', 0), worker('warm', 800, { cachedTokens: 1000 })])).toEqual({
      warm: expect.closeTo(1),
    });
    expect(shares([worker('a', 0), worker('warm', 5000, { cachedTokens: 1000 })]).a).toBeCloseTo(1);
  });

  it('gives a tenth of the requests to a worker on trial', () => {
    expect(shares([worker('back', 0, { isTrial: true, weight: 0.1 }), worker('a', 0)]).back).toBeCloseTo(0.1);
  });
});
