import { describe, expect, it } from 'vitest';
import { ref, request, running } from './migrator-run.js';

describe('a migrator within its limits', () => {
  it.each([
    ['invalid', {}, {}],
    ['deadline', {}, {}],
    ['reset', {}, { migrationLimit: 0 }],
    ['reset', { isReplayable: false }, {}],
    ['reset', {}, { maxSeqLen: 119 }],
  ] as const)('does not move after %s with %o and %o', (outcome, more, limits) => {
    const { migrator, tokens, fail } = running({ request: { ...request, ...more }, limits });
    tokens(0, 0, 20);
    fail(0, outcome);
    expect(migrator.end()?.kind).toBe('failed');
  });

  it('moves a request that cannot be replayed while nothing has been generated', () => {
    const { fail, of } = running({ request: { ...request, isReplayable: false } });
    fail(0, 'connect');
    expect(of('dispatch')).toHaveLength(2);
  });

  it('moves at exactly the longest length', () => {
    const { tokens, fail, of } = running({ limits: { maxSeqLen: 120 } });
    tokens(0, 0, 20);
    fail(0, 'reset');
    expect(of('dispatch')).toHaveLength(2);
  });

  it('stops a request that two workers died of before it had made much, and does so for no other', () => {
    const poison = running();
    poison.tokens(0, 0, 1);
    poison.fail(0, 'reset');
    poison.fail(1, 'truncated');
    expect(poison.of('poison')).toEqual([{ type: 'poison', workers: [ref('a'), ref('b')] }]);
    expect(poison.migrator.end()).toMatchObject({ kind: 'failed', outcome: 'poison' });
    const unlucky = running();
    unlucky.tokens(0, 0, 20);
    unlucky.fail(0, 'reset');
    unlucky.tokens(1, 20, 40);
    unlucky.fail(1, 'reset', 2000);
    expect(unlucky.of('poison')).toEqual([]);
  });

  it('stops it after as many workers as it was told', () => {
    const lost = running({ limits: { poisonWorkers: 3 } });
    lost.tokens(0, 0, 1);
    lost.fail(0, 'reset');
    lost.fail(1, 'reset');
    expect([lost.of('poison'), lost.migrator.end()]).toEqual([[], null]);
    lost.step({ type: 'tick', atMs: 1000, random: 0.5 });
    lost.fail(2, 'reset', 1001);
    expect(lost.of('poison')).toEqual([{ type: 'poison', workers: [ref('a'), ref('b'), ref('c')] }]);
  });

  it('clears a request that gets further than where its worker died, but not for ever', () => {
    const lost = running();
    lost.tokens(0, 0, 1);
    lost.fail(0, 'reset');
    lost.tokens(1, 1, 3);
    lost.fail(1, 'reset', 2000);
    expect([lost.of('poison'), lost.migrator.end()]).toEqual([[], null]);
    lost.step({ type: 'tick', atMs: 3000, random: 0.5 });
    lost.tokens(2, 3, 4);
    lost.fail(2, 'reset', 4000);
    expect(lost.of('poison')).toEqual([{ type: 'poison', workers: [ref('a'), ref('b'), ref('c')] }]);
  });

  it('repeats once for free what was never sent, and asks the retry budget for the rest', () => {
    const asked: number[] = [];
    const { fail, migrator } = running({ retryBudget: (atMs) => asked.push(atMs) < 2 });
    fail(0, 'not_sent', 1);
    expect(asked).toEqual([]);
    fail(1, 'connect', 2);
    expect(asked).toEqual([2]);
    fail(2, 'connect', 3);
    expect(migrator.end()).toMatchObject({ kind: 'failed', why: 'the retry budget is empty' });
  });

  it('pays nothing for the loss of an attempt that gave tokens: its worker may have had hundreds', () => {
    const { fail, tokens, step, migrator } = running({ retryBudget: () => false });
    tokens(0, 0, 20);
    fail(0, 'reset');
    expect(migrator.attempts().map(({ epoch }) => epoch)).toEqual([1]);
    tokens(1, 20, 40);
    fail(1, 'reset', 2000);
    expect(migrator.end()).toBeNull();
    step({ type: 'tick', atMs: 10_000, random: 0 });
    fail(2, 'stalled', 10_001);
    expect(migrator.end()).toMatchObject({ kind: 'failed', why: 'the retry budget is empty' });
  });
});
