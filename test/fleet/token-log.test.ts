import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenLog } from '../../lib/fleet/token-log.js';

describe('the token log', () => {
  it('appends in order, ignores repeats, and names gaps and disagreement', () => {
    const log = createTokenLog();
    expect(log.append(0, 0, 11)).toBe('appended');
    expect(log.append(0, 1, 12)).toBe('appended');
    expect(log.append(0, 0, 11)).toBe('duplicate');
    expect(log.append(0, 1, 99)).toBe('diverged');
    expect(log.append(0, 3, 14)).toBe('gap');
    expect([...log.tokens()]).toEqual([11, 12]);
  });

  it('takes nothing from an attempt that has been fenced off', () => {
    const log = createTokenLog();
    log.append(0, 0, 1);
    log.fence(1);
    expect(log.append(0, 1, 2)).toBe('late');
    expect(log.append(1, 1, 2)).toBe('appended');
    log.fence(0);
    expect(log.epoch).toBe(1);
  });

  it('lets two attempts race: whichever extends the log first fences the other', () => {
    const log = createTokenLog();
    log.append(0, 0, 1);
    log.race(1);
    expect(log.append(1, 0, 1)).toBe('duplicate');
    expect(log.append(1, 1, 2)).toBe('appended');
    expect(log.append(0, 2, 3)).toBe('late');

    const other = createTokenLog();
    other.race(1);
    expect(other.append(0, 0, 1)).toBe('appended');
    expect(other.append(1, 1, 2)).toBe('late');
  });

  it('holds whatever order, repetition and loss do to frames: a prefix of the true sequence', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ epoch: fc.nat(3), seq: fc.nat(80), fence: fc.boolean(), race: fc.boolean() }), {
          maxLength: 300,
        }),
        (frames) => {
          const truth = (seq: number): number => (seq * 2654435761) | 0;
          const log = createTokenLog();
          for (const { epoch, seq, fence, race } of frames) {
            if (fence) log.fence(epoch);
            if (race) log.race(epoch);
            const before = log.length;
            const isOpen = epoch === log.epoch || epoch === log.rival;
            const result = log.append(epoch, seq, truth(seq));
            expect(result === 'appended').toBe(isOpen && seq === before);
            expect(log.length).toBe(result === 'appended' ? before + 1 : before);
          }
          log.tokens().forEach((token, seq) => {
            expect(token).toBe(truth(seq));
          });
        },
      ),
    );
  });
});
