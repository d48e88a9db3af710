import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEjector } from '../../lib/fleet/ejector.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';

const ref = (worker: string | number, incarnation = '1'): WorkerRef => ({
  worker: String(worker),
  incarnation,
});

function pool(size: number) {
  const ejector = createEjector();
  for (let i = 0; i < size; i += 1) ejector.add(ref(i), 0);
  const send = (worker: number, outcome: Outcome, atMs: number): void => {
    const generation = ejector.permit(ref(worker), atMs);
    if (generation !== null) ejector.outcome(ref(worker), generation, outcome, atMs, 0.5);
  };
  return {
    ejector,
    send,
    times: (n: number, f: (i: number) => void) => Array.from({ length: n }, (_, i) => f(i)),
  };
}

describe('the ejector', () => {
  it('ejects after five failures in a row, of refused connections after three', () => {
    const { ejector, send, times } = pool(4);
    times(4, (i) => send(0, 'reset', i));
    expect(ejector.isEjected(ref(0), 5)).toBe(false);
    send(0, 'reset', 5);
    expect(ejector.isEjected(ref(0), 6)).toBe(true);
    times(3, (i) => send(1, 'connect', 10 + i));
    expect(ejector.view(20).ejected).toBe(1); // the cap of four workers
    const other = pool(7);
    other.times(3, (i) => other.send(1, 'connect', 10 + i));
    expect(other.ejector.isEjected(ref(1), 20)).toBe(true);
  });

  it.each(['invalid', 'overloaded', 'cancelled', 'deadline', 'draining', 'shutdown'] as const)(
    'never for %s',
    (outcome) => {
      const { ejector, send, times } = pool(4);
      times(100, (i) => send(0, outcome, i));
      expect(ejector.view(200).ejected).toBe(0);
    },
  );

  it('lets one request try when the time is over, and gives back the weight slowly', () => {
    const { ejector, send } = pool(4);
    ejector.strike(ref(0), 0, 0.5); // 5 s · (1 + 0.5) / 2
    expect(ejector.view(3749).candidates.map(({ ref: { worker } }) => worker)).toEqual(['1', '2', '3']);
    const trial = ejector.view(3750).candidates.find(({ isTrial }) => isTrial);
    expect(trial?.ref).toEqual(ref(0));
    const generation = ejector.permit(ref(0), 3750);
    expect(ejector.view(3751).candidates.some(({ isTrial }) => isTrial)).toBe(false);
    ejector.outcome(ref(0), generation!, 'success', 4000, 0);
    expect(ejector.isEjected(ref(0), 4000)).toBe(false);
    const weight = (atMs: number) =>
      ejector.view(atMs).candidates.find((each) => each.ref.worker === '0')?.weight;
    expect(weight(4000)).toBeCloseTo(0.1);
    expect(weight(9000)).toBeCloseTo(0.55);
    expect(weight(14_000)).toBe(1);
    send(0, 'success', 14_000);
  });

  it('keeps it out twice as long when the trial fails', () => {
    const { ejector } = pool(4);
    ejector.strike(ref(0), 0, 1);
    const generation = ejector.permit(ref(0), 5000);
    ejector.outcome(ref(0), generation!, 'reset', 5000, 1);
    expect(ejector.view(14_999).candidates).toHaveLength(3);
    expect(ejector.view(15_000).candidates).toHaveLength(4);
  });

  it('tries once at a time, whatever becomes of what a panic sent there', () => {
    const { ejector } = pool(4);
    ejector.strike(ref(0), 0, 1);
    const panic = ejector.permit(ref(0), 4000);
    const trial = ejector.permit(ref(0), 5001);
    const isTried = (atMs: number) => ejector.view(atMs).candidates.length === 3;
    ejector.outcome(ref(0), panic!, 'cancelled', 5002, 0);
    expect(isTried(5003)).toBe(true);
    ejector.outcome(ref(0), trial!, 'cancelled', 5004, 0);
    expect(isTried(5005)).toBe(false);
  });

  it('does not hold against a worker what began before its ejection, or in another life', () => {
    const { ejector } = pool(4);
    const before = ejector.permit(ref(0), 0);
    ejector.strike(ref(0), 1, 1);
    const trial = ejector.permit(ref(0), 5001);
    ejector.outcome(ref(0), before!, 'success', 5002, 0);
    expect(ejector.isEjected(ref(0), 5003)).toBe(true);
    ejector.outcome(ref(0), trial!, 'success', 5004, 0);
    expect(ejector.isEjected(ref(0), 5005)).toBe(false);
    ejector.strike(ref(0), 6000, 0);
    ejector.add(ref(0, '2'), 6001);
    expect(ejector.isEjected(ref(0, '2'), 6002)).toBe(false);
    ejector.outcome(ref(0, '1'), 0, 'reset', 6003, 0);
    expect(ejector.view(6004).candidates).toHaveLength(4);
  });

  it('does not add up failures that lie far apart', () => {
    const { ejector, send, times } = pool(4);
    times(20, (i) => send(0, 'reset', i * 301_000));
    expect(ejector.isEjected(ref(0), 6_000_000)).toBe(false);
    times(5, (i) => send(0, 'reset', 6_000_000 + i * 200_000));
    expect(ejector.isEjected(ref(0), 7_000_000)).toBe(true);
  });

  it('lets back in who failed longest ago when the pool becomes too small for its ejections', () => {
    const { ejector, send, times } = pool(7);
    times(5, (i) => send(0, 'reset', i));
    times(5, (i) => send(1, 'reset', 10 + i));
    expect(ejector.view(20).ejected).toBe(2);
    ejector.remove(ref(6), 30);
    expect([ejector.isEjected(ref(0), 30), ejector.isEjected(ref(1), 30)]).toEqual([false, true]);
    expect(ejector.view(30).candidates.find(({ ref: { worker } }) => worker === '0')?.weight).toBeCloseTo(
      0.1,
    );
  });

  it('finds the one that fails more than the others', () => {
    const { ejector, times } = pool(10);
    times(30, (round) => {
      for (let worker = 0; worker < 10; worker += 1) {
        if (ejector.isEjected(ref(worker), round * 100)) continue;
        const generation = ejector.permit(ref(worker), round * 100);
        // Never two in a row: neither the run nor the smoothed rate would find it.
        const isBad = worker === 3 && round % 5 === 0;
        ejector.outcome(ref(worker), generation!, isBad ? 'engine_error' : 'success', round * 100, 0.5);
      }
    });
    expect(ejector.isEjected(ref(3), 3000)).toBe(true);
    expect(ejector.view(3000).ejected).toBe(1);
  });

  it('does not take one failure for an outlier because all the others are perfect', () => {
    const { ejector, send, times } = pool(6);
    times(6, (worker) => times(25, (i) => send(worker, 'success', i)));
    send(0, 'reset', 30);
    send(0, 'reset', 31);
    expect(ejector.isEjected(ref(0), 32)).toBe(false);
    send(0, 'success', 33);
    send(0, 'reset', 34);
    expect(ejector.isEjected(ref(0), 35)).toBe(true);
  });

  it('uses everybody when half of the workers are gone for other reasons', () => {
    const { ejector } = pool(6);
    ejector.strike(ref(0), 0, 1);
    ejector.strike(ref(1), 1, 1);
    const isAvailable = ({ worker }: WorkerRef) => Number(worker) < 3;
    const view = ejector.view(100, isAvailable);
    expect(view.isPanic).toBe(true);
    expect(view.candidates.map(({ ref: { worker } }) => worker)).toEqual(['2', '0', '1']);
  });

  it('never ejects more than a third, never the last, and offers one trial at a time, whatever happens', () => {
    const outcomes: Outcome[] = [
      'success',
      'reset',
      'connect',
      'stalled',
      'overloaded',
      'invalid',
      'numerical',
    ];
    const action = fc.record({
      do: fc.constantFrom('send', 'end', 'end', 'strike', 'wait', 'join', 'leave', 'forgive'),
      who: fc.nat(11),
      outcome: fc.constantFrom(...outcomes),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(action, { maxLength: 250 }), (size, actions) => {
        const { ejector } = pool(size);
        const members = new Map(Array.from({ length: size }, (_, i) => [String(i), 1]));
        const open: { ref: WorkerRef; generation: number; isTrial: boolean }[] = [];
        let atMs = 0;
        for (const { do: what, who, outcome } of actions) {
          atMs += what === 'wait' ? 4000 : 37;
          const before = ejector.view(atMs);
          if (what === 'send') {
            const candidate = before.candidates[who % Math.max(1, before.candidates.length)];
            if (candidate !== undefined) {
              const others = open.filter(
                ({ ref: { worker }, isTrial, generation }) =>
                  isTrial &&
                  worker === candidate.ref.worker &&
                  generation === ejector.permit(candidate.ref, -1),
              );
              if (candidate.isTrial) expect(others).toEqual([]);
              const generation = ejector.permit(candidate.ref, atMs);
              if (generation !== null)
                open.push({ ref: candidate.ref, generation, isTrial: candidate.isTrial });
            }
          } else if (what === 'end') {
            const [ended] = open.splice(who, 1);
            if (ended !== undefined) ejector.outcome(ended.ref, ended.generation, outcome, atMs, 0.4);
          } else if (what === 'strike') ejector.strike(ref(who), atMs, 0.4);
          else if (what === 'forgive') ejector.forgive(ref(who));
          else if (what === 'join' && !members.has(String(who))) {
            members.set(String(who), 1);
            ejector.add(ref(who), atMs);
          } else if (what === 'leave' && members.size > 1 && members.delete(String(who)))
            ejector.remove(ref(who), atMs);
          const view = ejector.view(atMs);
          const cap = Math.min(Math.max(1, Math.floor(members.size * 0.33)), members.size - 1);
          expect(view.ejected).toBeLessThanOrEqual(Math.max(0, cap));
          if (members.size > 0) expect(view.candidates.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
