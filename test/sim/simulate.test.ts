import { describe, expect, it } from 'vitest';
import { runSeeds } from './batch.js';
import { createKernel } from './kernel.js';
import { makeScenario } from './make-scenario.js';
import { MIGRATIONS, STORE, totalOutage } from './profiles.js';
import { simulate } from './simulate.js';
import { beginToy, nextToken, wholeAnswer } from './toy-engine.js';

describe('the kernel', () => {
  it('calls in the order of time, and of two at one time in the order in which they were asked for', () => {
    const kernel = createKernel();
    const seen: string[] = [];
    for (const [atMs, name] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [3, 'b'],
    ] as const)
      kernel.at(atMs, () => seen.push(`${name}${kernel.nowMs}`));
    kernel.run(10, () => {});
    expect(seen).toEqual(['a1', 'b3', 'c5', 'd5']);
    expect(kernel.nowMs).toBe(10);
  });

  it('keeps from a paused process what it gets until it goes on, and from a dead one for ever', () => {
    const kernel = createKernel();
    const seen: string[] = [];
    const actor = kernel.spawn('w', { offsetMs: 1000, rate: 2 });
    actor.after(10, () => seen.push(`timer ${kernel.nowMs}`));
    kernel.at(1, () => actor.pause());
    kernel.at(8, () => actor.resume());
    actor.receive(9, () => seen.push('message'));
    kernel.at(20, () => actor.die());
    actor.receive(21, () => seen.push('too late'));
    kernel.run(30, () => {});
    expect(seen).toEqual(['timer 8', 'message']);
    expect(actor.now()).toBe(1060);
  });
});

describe('the toy engine', () => {
  const request = { seed: 7, promptTokens: 5, maxTokens: 12, stop: [] };

  it('goes on as if nothing had happened from any prefix, and otherwise from any other', () => {
    const { tokens } = wholeAnswer(request, 0);
    expect(tokens.length).toBeGreaterThan(5);
    const tokenAfter = (prefix: Int32Array, promptTokens = 5): number =>
      nextToken(beginToy(7, 0, promptTokens, prefix));
    for (let length = 0; length < tokens.length; length += 1)
      expect(tokenAfter(tokens.slice(0, length))).toBe(tokens[length]);
    expect(tokenAfter(tokens.slice(0, 4).reverse())).not.toBe(tokens[4]);
    expect(tokenAfter(tokens.slice(1, 5))).not.toBe(tokens[4]);
    // The same bytes, but generated tokens taken for prompt.
    expect(tokenAfter(new Int32Array(0), 9)).not.toBe(tokens[4]);
  });
});

describe('a simulated fleet', () => {
  it('does the same again from the same seed', () => {
    for (const seed of [3, 4, 5]) expect(simulate(makeScenario(seed))).toEqual(simulate(makeScenario(seed)));
  });

  it('keeps every promise under random faults', { timeout: 120_000 }, () => {
    expect(runSeeds({ from: 1, until: 101, step: 1 }).failed).toEqual([]);
  });

  // All of it: npm run proof -- migrations.
  it('loses no token in a sample of the million migrations', { timeout: 120_000 }, () => {
    const { failed, stats } = runSeeds({ from: 1, until: 13, step: 1 }, MIGRATIONS);
    expect(failed).toEqual([]);
    expect(stats.migrations).toBeGreaterThan(500);
  });

  it('does not notice a store that is out, lags, loses its data or changes its leader', () => {
    const { failed, stats } = runSeeds({ from: 1, until: 4, step: 1 }, STORE);
    expect(failed).toEqual([]);
    expect([stats.failed, stats.ejections]).toEqual([{}, 0]);
    expect(stats.finished).toBe(stats.requests);
  });

  it.each([5, 20, 100])('makes at most 1.2 attempts a request when all fail, at %i a second', (rate) => {
    const { failed, stats } = runSeeds({ from: 2, until: 3, step: 1 }, totalOutage(rate));
    expect(failed).toEqual([]);
    expect(stats.finished).toBe(0);
    expect(stats.dispatches).toBeGreaterThan(1.05 * stats.requests);
    expect(stats.dispatches).toBeLessThanOrEqual(1.2 * stats.requests);
  });

  it('neither moves nor ejects nor loses anything while nothing happens', () => {
    const { failed, stats } = runSeeds({ from: 1, until: 31, step: 1 }, { faults: [0, 0], isPlain: true });
    expect(failed).toEqual([]);
    expect(stats.failed).toEqual({});
    expect([stats.ejections, stats.migrations, stats.paidRetries]).toEqual([0, 0, 0]);
  });
});
