import { describe, expect, it } from 'vitest';
import { ref, running } from './migrator-run.js';

describe('a migrator', () => {
  it('moves a stream whose worker is lost to another one, at once and at the next position', () => {
    const { migrator, tokens, fail, of, step } = running();
    tokens(0, 0, 20);
    fail(0, 'reset');
    expect(of('dispatch').map(({ ref: { worker }, startSeq }) => [worker, startSeq])).toEqual([
      ['a', 0],
      ['b', 20],
    ]);
    tokens(0, 20, 25); // of the lost one: too late
    tokens(1, 20, 30);
    step({ type: 'finish', atMs: 5, epoch: 1, reason: 'stop', length: 30 });
    expect(migrator.log.length).toBe(30);
    expect(of('end')).toEqual([{ type: 'end', end: { kind: 'finished', reason: 'stop', isLocal: false } }]);
    expect(of('outcome').map(({ epoch, outcome }) => [epoch, outcome])).toEqual([
      [0, 'reset'],
      [1, 'success'],
    ]);
  });

  it('does not offer the lost worker again', () => {
    const { tokens, fail, of } = running();
    tokens(0, 0, 20);
    fail(0, 'truncated');
    expect(of('pick').at(-1)?.excluded).toEqual([ref('a')]);
  });

  it('completes by itself when only the finish frame was lost', () => {
    const full = running();
    full.tokens(0, 0, 50);
    full.fail(0, 'reset');
    expect(full.migrator.end()).toEqual({ kind: 'finished', reason: 'length', isLocal: true });
    const ended = running();
    ended.tokens(0, 0, 10);
    ended.migrator.frame(0, 0, 10, 2);
    ended.fail(0, 'truncated');
    expect(ended.migrator.end()).toEqual({ kind: 'finished', reason: 'stop', isLocal: true });
  });

  it('gives up on a gap, on another token at the same place, and on a finish that counts otherwise', () => {
    const gap = running();
    gap.tokens(0, 0, 3);
    gap.migrator.frame(0, 0, 4, 7);
    expect(gap.migrator.takeEffects().map(({ type }) => type)).toContain('kill');
    const other = running();
    other.tokens(0, 0, 3);
    other.migrator.frame(0, 0, 1, 9999);
    expect(other.migrator.takeEffects()).toContainEqual({
      type: 'outcome',
      epoch: 0,
      ref: ref('a'),
      outcome: 'diverged',
    });
    const short = running();
    short.tokens(0, 0, 3);
    short.step({ type: 'finish', atMs: 0, epoch: 0, reason: 'stop', length: 5 });
    expect(short.of('outcome').map(({ outcome }) => outcome)).toEqual(['gap']);
    expect(short.migrator.end()).toBeNull();
  });

  it('finds a silent attempt by its own timer and moves on', () => {
    const { migrator, tokens, step, of } = running();
    tokens(0, 0, 20, 500);
    expect(migrator.nextTimerMs()).toBe(1500);
    step({ type: 'tick', atMs: 1499, random: 0 });
    expect(of('dispatch')).toHaveLength(1);
    step({ type: 'tick', atMs: 1500, random: 0 });
    expect(of('dispatch')).toHaveLength(2);
  });

  it('waits longer from attempt to attempt, but not after a worker that has given tokens', () => {
    const { migrator, tokens, fail, step, of } = running({ limits: { migrationLimit: 9, poisonWorkers: 9 } });
    tokens(0, 0, 10);
    fail(0, 'reset', 0);
    expect(of('dispatch')).toHaveLength(2);
    fail(1, 'reset', 1);
    expect(migrator.nextTimerMs()).toBeCloseTo(1 + 18.75);
    step({ type: 'tick', atMs: 30, random: 0 });
    fail(2, 'reset', 31);
    expect(migrator.nextTimerMs()).toBeCloseTo(31 + 37.5);
    step({ type: 'tick', atMs: 100, random: 0 });
    tokens(3, 10, 20);
    fail(3, 'reset', 101);
    expect(of('dispatch')).toHaveLength(5);
  });

  it('ends after the limit of a minute', () => {
    const { migrator, tokens, fail } = running({ limits: { migrationLimit: 3 } });
    for (let epoch = 0; epoch < 4; epoch += 1) {
      tokens(epoch, 10 * epoch, 10 * epoch + 10);
      fail(epoch, 'reset', epoch);
    }
    expect(migrator.end()).toMatchObject({
      kind: 'failed',
      outcome: 'reset',
      why: 'moved 3 times in a minute',
    });
  });

  it('ends once on cancel, and nothing comes after', () => {
    const { migrator, tokens, step, of } = running();
    tokens(0, 0, 5);
    step({ type: 'cancel', atMs: 9 });
    tokens(0, 5, 9);
    step({ type: 'cancel', atMs: 10 });
    expect(of('end')).toHaveLength(1);
    expect(of('kill')).toHaveLength(1);
    expect(migrator.log.length).toBe(5);
    expect(migrator.nextTimerMs()).toBe(Number.POSITIVE_INFINITY);
  });
});
