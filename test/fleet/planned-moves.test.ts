import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogicalRequest } from '../../lib/fleet/logical-request.js';
import { createMigrator, type MigratorOptions } from '../../lib/fleet/migrator.js';
import type { MigrationEffect, MigrationEvent } from '../../lib/fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';

const ref = (worker: string): WorkerRef => ({ worker, incarnation: '1' });
const patience = { firstMs: 3000, nextMs: 1000 };
const request = { promptTokens: 100, maxTokens: 50, endTokens: [2], isReplayable: true, deadlineMs: null };
const [a, b, c] = [ref('a'), ref('b'), ref('c')];

/** Answers `pick` with the next of a to e. */
function started(options: Partial<MigratorOptions> = {}) {
  const workers = [a, b, c, ref('d'), ref('e')];
  const migrator = createMigrator({ request, ...options });
  const seen: MigrationEffect[] = [];
  function take(effects: readonly MigrationEffect[], atMs: number): void {
    for (const effect of effects) {
      seen.push(effect);
      if (effect.type === 'pick')
        take(migrator.step({ type: 'picked', atMs, ref: workers.shift()!, patience }), atMs);
    }
  }
  const step = (event: MigrationEvent): void => take(migrator.step(event), event.atMs);
  step({ type: 'start', atMs: 0 });
  return {
    migrator,
    step,
    leaving: (worker: WorkerRef, atMs = 100) => step({ type: 'leaving', atMs, ref: worker }),
    suspect: (worker: WorkerRef, atMs = 100) => step({ type: 'suspect', atMs, ref: worker }),
    token(epoch: number, seq: number, atMs = 0) {
      migrator.frame(atMs, epoch, seq, 1000 + seq);
      take(migrator.takeEffects(), atMs);
    },
    fail: (epoch: number, outcome: Outcome, atMs = 0) =>
      step({ type: 'failed', atMs, epoch, outcome, random: 0.5 }),
    runsAt: () => migrator.attempts().map(({ ref: { worker } }) => worker),
    of: <T extends MigrationEffect['type']>(type: T) =>
      seen.filter((effect): effect is Extract<MigrationEffect, { type: T }> => effect.type === type),
  };
}

describe('a choice without a token at a worker that drains', () => {
  it('starts at the next one too, and goes on there as soon as a token comes from there', () => {
    const { leaving, token, runsAt, of, migrator } = started();
    leaving(a);
    expect([runsAt(), of('warm'), of('kill')]).toEqual([['a', 'b'], [], []]);
    token(1, 0, 200);
    expect(runsAt()).toEqual(['b']);
    expect(of('outcome')).toEqual([{ type: 'outcome', epoch: 0, ref: a, outcome: 'draining' }]);
    expect(of('migrated')).toEqual([{ type: 'migrated', from: a, outcome: 'draining', replayedTokens: 0 }]);
    token(0, 0, 210);
    token(1, 1, 220);
    expect(migrator.log.length).toBe(2);
  });

  it('keeps the token that the worker gives first all the same, and leaves it then', () => {
    const { leaving, token, runsAt, of, step } = started();
    leaving(a);
    token(0, 0, 200);
    expect(runsAt()).toEqual(['a']);
    expect(of('outcome')).toEqual([{ type: 'outcome', epoch: 1, ref: b, outcome: 'cancelled' }]);
    expect([of('migrated'), of('warm')]).toEqual([[], [{ type: 'warm', ref: c }]]);
    token(0, 1, 210);
    step({ type: 'warmed', atMs: 220, ref: c });
    expect(of('dispatch').at(-1)).toMatchObject({ ref: c, startSeq: 2, purpose: 'planned' });
    expect(runsAt()).toEqual(['c']);
  });

  it('stays where it is when the next one refuses it, and is cut off by nobody but the worker', () => {
    const { leaving, fail, token, runsAt, of } = started({ retryBudget: () => false });
    leaving(a);
    fail(1, 'overloaded');
    expect(runsAt()).toEqual(['a']);
    token(0, 0);
    expect(of('warm')).toEqual([{ type: 'warm', ref: c }]);
  });

  it('goes on at the next one alone when the worker cuts it', () => {
    const { leaving, fail, runsAt, of } = started();
    leaving(a);
    fail(0, 'draining');
    expect([runsAt(), of('migrated').length]).toEqual([['b'], 1]);
  });

  it('costs two workers their lives at most, in whatever order their ends are heard', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { leaving, fail, of, migrator } = started();
      leaving(a);
      for (const epoch of order) fail(epoch, 'reset');
      expect(of('dispatch')).toHaveLength(2);
      expect(migrator.end()).toMatchObject({ kind: 'failed', outcome: 'poison' });
    }
  });

  it('is gone without waiting where it could not leave any more once it has begun', () => {
    const { leaving, step, runsAt, of } = started({ request: { ...request, isReplayable: false } });
    leaving(a);
    expect(of('warm')).toEqual([{ type: 'warm', ref: b }]);
    step({ type: 'warmed', atMs: 200, ref: b });
    expect(runsAt()).toEqual(['b']);
  });
});

describe('a request of which a worker may have died', () => {
  it('leaves the next one only when that has given a token, though it drains', () => {
    const { leaving, fail, token, runsAt, of } = started();
    fail(0, 'reset');
    leaving(b);
    expect([runsAt(), of('pick').length]).toEqual([['b'], 2]);
    token(1, 0);
    expect(of('warm')).toEqual([{ type: 'warm', ref: c }]);
  });

  it('ends as poison when that one dies of it too', () => {
    const { leaving, fail, of, migrator } = started();
    fail(0, 'reset');
    leaving(b);
    fail(1, 'reset');
    expect(of('poison')).toEqual([{ type: 'poison', workers: [a, b] }]);
    expect(migrator.end()).toMatchObject({ outcome: 'poison' });
    expect(of('dispatch')).toHaveLength(2);
  });

  it('goes elsewhere when that one hands it back', () => {
    const { leaving, fail, step, runsAt } = started();
    fail(0, 'reset');
    leaving(b);
    fail(1, 'draining');
    step({ type: 'tick', atMs: 1000, random: 0.5 });
    expect(runsAt()).toEqual(['c']);
  });

  it('is not hedged against the silence of the next one before that has given a token', () => {
    const { fail, suspect, token, runsAt } = started({ hedgeBudget: () => true });
    fail(0, 'reset');
    suspect(b);
    expect(runsAt()).toEqual(['b']);
    token(1, 0);
    suspect(b);
    expect(runsAt()).toEqual(['b', 'c']);
  });

  it('may be at two more where more are allowed to die of it', () => {
    const { fail, leaving, runsAt } = started({ limits: { poisonWorkers: 3 } });
    fail(0, 'reset');
    leaving(b);
    expect(runsAt()).toEqual(['b', 'c']);
  });

  it('is not sent to a third one for a choice that has not heard of the loss yet', () => {
    const logical = createLogicalRequest({ request, choices: 2 });
    const workers = [a, b, c];
    const sent: string[] = [];
    const take = ({ effects }: ReturnType<typeof logical.start>): void => {
      for (const { choice, effect } of effects) {
        if (effect.type === 'dispatch') sent.push(effect.ref.worker);
        if (effect.type === 'pick')
          take(logical.step(choice, { type: 'picked', atMs: 0, ref: workers.shift()!, patience }));
      }
    };
    take(logical.start(0));
    // The first choice has lost its worker and goes on at the next one, the other one is still at the first.
    take(logical.step(0, { type: 'failed', atMs: 1, epoch: 0, outcome: 'reset', random: 0 }));
    take(logical.stepAll({ type: 'leaving', atMs: 2, ref: a }));
    take(logical.stepAll({ type: 'leaving', atMs: 3, ref: b }));
    expect(sent).toEqual(['a', 'a', 'b']);
  });

  it('costs no more than two workers their lives, whatever is heard of whom in between, and in which order', () => {
    const worker = fc.constantFrom(a, b, c);
    const actions = fc.array(
      fc.oneof(
        fc.record({ type: fc.constant('leaving' as const), ref: worker }),
        fc.record({ type: fc.constant('suspect' as const), ref: worker }),
        fc.record({ type: fc.constant('warmed' as const), ref: worker }),
        fc.record({ type: fc.constant('failed' as const), epoch: fc.nat(2) }),
      ),
      { minLength: 2, maxLength: 12 },
    );
    fc.assert(
      fc.property(actions, (events) => {
        const { step, of } = started({ hedgeBudget: () => true });
        let atMs = 0;
        for (const event of events) {
          atMs += 100;
          // Whoever gets it dies of it; when that is heard is all that is left to chance.
          if (event.type === 'failed') step({ ...event, atMs, outcome: 'reset', random: 0.5 });
          else step({ ...event, atMs });
          step({ type: 'tick', atMs, random: 0.5 });
        }
        const dead = new Set([...of('dispatch'), ...of('warm')].map(({ ref: { worker } }) => worker));
        expect(dead.size).toBeLessThanOrEqual(2);
      }),
      { numRuns: 2000 },
    );
  });
});
