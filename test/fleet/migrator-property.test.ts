import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMigrator, type Migrator } from '../../lib/fleet/migrator.js';
import type { MigrationEffect } from '../../lib/fleet/migrator-types.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';
import { patience, ref, request } from './migrator-run.js';

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
