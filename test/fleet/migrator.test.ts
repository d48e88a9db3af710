import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMigrator, type Migrator, type MigratorOptions } from '../../lib/fleet/migrator.js';
import type { MigrationEffect, MigrationEvent, MigrationRequest } from '../../lib/fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';

const ref = (worker: string, incarnation = '1'): WorkerRef => ({ worker, incarnation });
const patience = { firstMs: 3000, nextMs: 1000 };
const request: MigrationRequest = {
  promptTokens: 100,
  maxTokens: 50,
  endTokens: [2],
  isReplayable: true,
  deadlineMs: null,
};

/** Answers `pick` with the next of the given workers. */
function running(options: Partial<MigratorOptions> & { workers?: WorkerRef[] } = {}) {
  const workers = options.workers ?? [ref('a'), ref('b'), ref('c'), ref('d'), ref('e')];
  const migrator = createMigrator({ request, ...options });
  const seen: MigrationEffect[] = [];
  function take(effects: readonly MigrationEffect[], atMs: number): void {
    for (const effect of effects) {
      seen.push(effect);
      if (effect.type !== 'pick') continue;
      const next = workers.shift();
      take(
        migrator.step(next ? { type: 'picked', atMs, ref: next, patience } : { type: 'no_worker', atMs }),
        atMs,
      );
    }
  }
  const step = (event: MigrationEvent): void => take(migrator.step(event), event.atMs);
  step({ type: 'start', atMs: 0 });
  return {
    migrator,
    seen,
    step,
    tokens(epoch: number, from: number, to: number, atMs = 0) {
      for (let seq = from; seq < to; seq += 1) migrator.frame(atMs, epoch, seq, 1000 + seq);
      take(migrator.takeEffects(), atMs);
    },
    fail: (epoch: number, outcome: Outcome, atMs = 0) =>
      step({ type: 'failed', atMs, epoch, outcome, random: 0.5 }),
    of: <T extends MigrationEffect['type']>(type: T) =>
      seen.filter((effect): effect is Extract<MigrationEffect, { type: T }> => effect.type === type),
  };
}

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

/** Token `seq` of the only right answer. */
const truth = (seq: number): number => 3 + ((Math.imul(seq + 1, 2654435761) >>> 0) % 100_000);
const LENGTH = 40;

describe('whatever happens', () => {
  /** Workers that generate what they were asked for, and a world that does everything to them. */
  interface Live {
    readonly epoch: number;
    readonly ref: WorkerRef;
    next: number;
  }
  const outcomes: Outcome[] = [
    'reset',
    'truncated',
    'stalled',
    'overloaded',
    'shutdown',
    'connect',
    'not_sent',
    'numerical',
    'gap',
  ];
  const actions = fc.array(
    fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({
          do: fc.constant('token' as const),
          who: fc.nat(2),
          count: fc.integer({ min: 1, max: 6 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('fail' as const),
          who: fc.nat(2),
          outcome: fc.constantFrom(...outcomes),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constantFrom(
            'suspect' as const,
            'leaving' as const,
            'warmed' as const,
            'warm_failed' as const,
            'repeat' as const,
            'skip' as const,
            'wait' as const,
          ),
          who: fc.nat(2),
        }),
      },
    ),
    { maxLength: 120 },
  );

  it('the log is a prefix of the right answer, each dispatch gets one outcome and the choice one end', () => {
    fc.assert(
      fc.property(actions, fc.boolean(), (list, isCancelled) => {
        const migrator: Migrator = createMigrator({
          request: { ...request, maxTokens: LENGTH, endTokens: [] },
          hedgeBudget: () => true,
        });
        let atMs = 0;
        let made = 0;
        let live: Live[] = [];
        const everyone: Live[] = [];
        const warm: WorkerRef[] = [];
        const dispatched: number[] = [];
        const outcome = new Map<number, number>();
        const emitted: number[] = [];
        let ends = 0;
        function take(effects: readonly MigrationEffect[]): void {
          for (const effect of effects) {
            expect(ends).toBe(0);
            if (effect.type === 'pick') {
              made += 1;
              take(migrator.step({ type: 'picked', atMs, ref: ref(`w${made}`), patience }));
            } else if (effect.type === 'dispatch') {
              expect(effect.startSeq).toBe(migrator.log.length);
              dispatched.push(effect.epoch);
              const each = { epoch: effect.epoch, ref: effect.ref, next: effect.startSeq };
              live.push(each);
              everyone.push(each);
            } else if (effect.type === 'warm') warm.push(effect.ref);
            else if (effect.type === 'kill') live = live.filter(({ epoch }) => epoch !== effect.epoch);
            else if (effect.type === 'outcome') {
              outcome.set(effect.epoch, (outcome.get(effect.epoch) ?? 0) + 1);
              live = live.filter(({ epoch }) => epoch !== effect.epoch);
            } else if (effect.type === 'end') ends += 1;
          }
        }
        function frame(epoch: number, seq: number): void {
          if (migrator.frame(atMs, epoch, seq, truth(seq)))
            emitted.push(migrator.log.tokenAt(migrator.log.length - 1));
          take(migrator.takeEffects());
        }
        take(migrator.step({ type: 'start', atMs }));
        for (const action of list) {
          atMs += 10;
          expect(live.length).toBeLessThanOrEqual(2);
          expect(migrator.attempts().length).toBe(live.length);
          const any = everyone[everyone.length - 1 - (action.who % everyone.length)];
          const one = live[action.who % Math.max(1, live.length)];
          if (action.do === 'token' && any !== undefined)
            // Also those that were fenced go on sending.
            for (let i = 0; i < action.count && any.next < LENGTH; i += 1) frame(any.epoch, any.next++);
          else if (action.do === 'repeat' && one !== undefined && one.next > 0)
            frame(one.epoch, one.next - 1);
          else if (action.do === 'skip' && one !== undefined) frame(one.epoch, one.next + 2);
          else if (action.do === 'fail' && one !== undefined)
            take(
              migrator.step({ type: 'failed', atMs, epoch: one.epoch, outcome: action.outcome, random: 0.3 }),
            );
          else if ((action.do === 'suspect' || action.do === 'leaving') && one !== undefined)
            take(migrator.step({ type: action.do, atMs, ref: one.ref }));
          else if ((action.do === 'warmed' || action.do === 'warm_failed') && warm.length > 0)
            take(migrator.step({ type: action.do, atMs, ref: warm[warm.length - 1]! }));
          else if (action.do === 'wait') {
            atMs = Math.min(Math.max(atMs, migrator.nextTimerMs()), atMs + 5000);
            take(migrator.step({ type: 'tick', atMs, random: 0.5 }));
          }
        }
        // From here on nothing fails any more.
        for (let i = 0; i < 50 && ends === 0; i += 1) {
          atMs = Math.min(migrator.nextTimerMs(), atMs + 20);
          if (isCancelled) take(migrator.step({ type: 'cancel', atMs }));
          for (const each of [...live]) {
            while (each.next < LENGTH && live.includes(each)) frame(each.epoch, each.next++);
            if (live.includes(each))
              take(
                migrator.step({ type: 'finish', atMs, epoch: each.epoch, reason: 'length', length: LENGTH }),
              );
          }
          if (ends === 0)
            take(
              migrator.step({
                type: 'tick',
                atMs: Math.min(migrator.nextTimerMs(), atMs + 2000),
                random: 0.5,
              }),
            );
        }
        expect(ends).toBe(1);
        expect(emitted).toEqual(emitted.map((_token, seq) => truth(seq)));
        expect([...migrator.log.tokens()]).toEqual(emitted);
        const end = migrator.end();
        if (end?.kind === 'finished' && end.reason === 'length') expect(emitted.length).toBe(LENGTH);
        expect(live).toEqual([]);
        expect(migrator.attempts()).toEqual([]);
        for (const epoch of dispatched) expect(outcome.get(epoch)).toBe(1);
        expect(migrator.step({ type: 'tick', atMs: atMs + 1e6, random: 0 })).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });
});
