import { describe, expect, it } from 'vitest';
import { ref, running } from './migrator-run.js';

describe('a migrator that may run two attempts', () => {
  it('starts a second attempt while the first is only suspect; the first to extend the log wins', () => {
    const { migrator, tokens, step, of } = running({ hedgeBudget: () => true });
    tokens(0, 0, 10);
    step({ type: 'suspect', atMs: 100, ref: ref('a') });
    expect(migrator.attempts().map(({ epoch }) => epoch)).toEqual([0, 1]);
    tokens(1, 10, 11, 200);
    expect(of('kill').map(({ epoch }) => epoch)).toEqual([0]);
    expect(migrator.migrations()).toBe(1);
    tokens(0, 11, 12, 210);
    expect(migrator.log.length).toBe(11);

    const revived = running({ hedgeBudget: () => true });
    revived.tokens(0, 0, 10);
    revived.step({ type: 'suspect', atMs: 100, ref: ref('a') });
    revived.tokens(0, 10, 12, 150);
    expect(revived.of('kill').map(({ epoch }) => epoch)).toEqual([1]);
    expect(revived.migrator.migrations()).toBe(0);
    expect(revived.migrator.log.length).toBe(12);
  });

  it('leaves a draining worker only when the next one holds the prefix', () => {
    const { migrator, tokens, step, of } = running();
    tokens(0, 0, 10);
    step({ type: 'leaving', atMs: 100, ref: ref('a') });
    expect(of('warm').map(({ ref: { worker } }) => worker)).toEqual(['b']);
    tokens(0, 10, 15, 150);
    expect(of('kill')).toEqual([]);
    step({ type: 'warmed', atMs: 200, ref: ref('b') });
    expect(of('kill').map(({ epoch }) => epoch)).toEqual([0]);
    expect(of('dispatch').at(-1)).toMatchObject({ startSeq: 15, purpose: 'planned', ref: ref('b') });
    tokens(1, 15, 16, 210);
    expect(migrator.log.length).toBe(16);
  });

  it('needs no further worker once the log is complete, though a move or a hedge is under way', () => {
    const moving = running();
    moving.tokens(0, 0, 10);
    moving.step({ type: 'leaving', atMs: 100, ref: ref('a') });
    moving.tokens(0, 10, 50, 150);
    moving.step({ type: 'warmed', atMs: 200, ref: ref('b') });
    expect(moving.of('dispatch')).toHaveLength(1);
    expect(moving.migrator.end()).toEqual({ kind: 'finished', reason: 'length', isLocal: true });
    expect(moving.of('outcome').map(({ outcome }) => outcome)).toEqual(['success']);
    const hedged = running({ hedgeBudget: () => true });
    hedged.tokens(0, 0, 10);
    hedged.migrator.frame(0, 0, 10, 2);
    hedged.step({ type: 'suspect', atMs: 100, ref: ref('a') });
    expect(hedged.of('dispatch')).toHaveLength(1);
    expect(hedged.migrator.end()).toEqual({ kind: 'finished', reason: 'stop', isLocal: true });
  });
});
