import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPoolAdmission, type PoolAdmissionOptions } from '../../../lib/fleet/admission/admission.js';

const CLASSES = [
  { name: 'high', reservedTokens: 50, maxQueue: 1, queueTimeoutMs: 300, promoteAfterMs: 100 },
  { name: 'default', reservedTokens: 0, maxQueue: 3, queueTimeoutMs: 600, promoteAfterMs: 200 },
];

const options: fc.Arbitrary<PoolAdmissionOptions> = fc.record(
  {
    maxTokens: fc.integer({ min: 50, max: 400 }),
    maxConcurrent: fc.integer({ min: 1, max: 3 }),
    codel: fc.record({ targetMs: fc.integer({ min: 10, max: 100 }), intervalMs: fc.constant(200) }),
    feasibility: fc.boolean(),
    adaptive: fc.record({ initialTokens: fc.constant(200), minTokens: fc.constant(50) }),
  },
  { requiredKeys: [] },
);
const command = fc.record({
  what: fc.constantFrom('arrive', 'arrive', 'arrive', 'arrive', 'release', 'tick'),
  gapMs: fc.nat(40),
  tenant: fc.constantFrom('a', 'b'),
  priority: fc.constantFrom('high', 'default', 'unknown'),
  promptTokens: fc.nat(60),
  expectedTokens: fc.integer({ min: 1, max: 60 }),
  patienceMs: fc.oneof(fc.integer({ min: -20, max: 400 }), fc.constant(Number.POSITIVE_INFINITY)),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  hasRoom: fc.constantFrom(true, true, true, false),
});

describe('a pool that says that it is full', () => {
  /** @param seed null: another one in each run @returns how often it was, and how often a request was refused for that */
  function check(seed: number | null, numRuns: number) {
    const seen = { full: 0, refused: 0 };
    fc.assert(
      fc.property(options, fc.array(command, { minLength: 20, maxLength: 80 }), (given, commands) => {
        const admission = createPoolAdmission({ ...given, classes: CLASSES });
        const running: number[] = [];
        let atMs = 0;
        for (const [id, each] of commands.entries()) {
          atMs += each.gapMs;
          const room = {
            hasRoom: each.hasRoom,
            tokensPerSecond: 500,
            prefill: { tokensPerSecond: 1000, baseMs: 5 },
          };
          const isFull = each.what === 'arrive' && admission.isFull(each.priority, atMs, () => each.hasRoom);
          const deadlineMs = atMs + each.patienceMs;
          const effects =
            each.what === 'tick'
              ? admission.tick(atMs, room)
              : each.what === 'release'
                ? admission.release(running.shift() ?? -1, atMs, room)
                : admission.arrive({ ...each, id, bytes: 1, cachedTokens: 0, atMs, deadlineMs }, room);
          for (const { type, id: admitted } of effects) if (type === 'admit') running.push(admitted);
          // Whatever the request is: it is refused, and nothing else becomes of its coming.
          if (isFull) expect(effects).toMatchObject([{ type: 'reject', id }]);
          if (isFull) seen.full += 1;
          if (effects.some((effect) => effect.type === 'reject' && effect.reason === 'queue_full'))
            seen.refused += 1;
        }
      }),
      { numRuns, ...(seed === null ? {} : { seed }) },
    );
    return seen;
  }

  it('refuses whoever comes, of any size and any tenant', () => {
    check(null, 300);
  });

  it('says so of many that it refuses for that', () => {
    const { full, refused } = check(1, 300);
    expect(refused).toBeGreaterThan(1000);
    expect(full / refused).toBeGreaterThan(0.3);
  });
});
