import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialLimit, stepLimit } from '../../../lib/fleet/admission/adaptive-limit.js';
import { createCodel } from '../../../lib/fleet/admission/codel.js';
import { expectedFirstTokenMs } from '../../../lib/fleet/admission/feasibility.js';
import { createHeap, type HeapNode } from '../../../lib/fleet/admission/heap.js';
import { createList } from '../../../lib/fleet/admission/list.js';
import { retryAfterSeconds } from '../../../lib/fleet/admission/retry-after.js';

describe('the adaptive limit', () => {
  const limit = initialLimit({ initialTokens: 10_000, minTokens: 5000, maxTokens: 20_000, interTokenMs: 50 });
  const seen = { waitMs: 10, interTokenMs: 20, inFlightTokens: 9000 };

  it('grows by a twentieth, or a fifth of the headroom, while nobody waits in the workers', () => {
    expect(stepLimit(limit, seen).tokens).toBeCloseTo(10_500);
    const small = { ...limit, tokens: 6000 };
    expect(stepLimit(small, seen).tokens).toBeCloseTo(6000 + 0.2 * 2048);
  });

  it('does not grow while it is not half used', () => {
    expect(stepLimit(limit, { ...seen, inFlightTokens: 4999 })).toBe(limit);
  });

  it('does not change in a second in which nothing was seen', () => {
    expect(stepLimit(limit, { ...seen, waitMs: Number.NaN, interTokenMs: Number.NaN })).toBe(limit);
  });

  it('falls when workers let requests wait, and when tokens come too slowly', () => {
    const falls = 0.8 * 10_000 + 0.2 * (0.5 * 10_000 + 2500);
    expect(stepLimit(limit, { ...seen, waitMs: 1000 }).tokens).toBeCloseTo(falls);
    expect(stepLimit(limit, { ...seen, interTokenMs: 100 }).tokens).toBeCloseTo(falls);
  });

  it('stays within its bounds', () => {
    const waits = fc.array(fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(Number.NaN)));
    fc.assert(
      fc.property(waits, (list) => {
        let now = limit;
        for (const waitMs of list) {
          now = stepLimit(now, { waitMs, interTokenMs: Number.NaN, inFlightTokens: now.tokens });
          expect(now.tokens).toBeGreaterThanOrEqual(5000);
          expect(now.tokens).toBeLessThanOrEqual(20_000);
        }
      }),
    );
  });
});

describe('CoDel', () => {
  it('finds a queue overloaded in which everybody waited longer than the target for an interval', () => {
    const codel = createCodel();
    codel.isOverloaded(0, 0);
    for (let atMs = 100; atMs < 2000; atMs += 100) {
      codel.scheduled(150);
      expect(codel.isOverloaded(atMs, 150)).toBe(false);
    }
    expect(codel.isOverloaded(2000, 150)).toBe(true);
    codel.emptied();
    expect(codel.isOverloaded(2001, 0)).toBe(false);
  });

  it('takes one short wait for a sign that the queue was only full for a moment', () => {
    const codel = createCodel();
    codel.isOverloaded(0, 0);
    for (const waitMs of [900, 100, 900]) codel.scheduled(waitMs);
    expect(codel.isOverloaded(2000, 900)).toBe(false);
  });

  it('finds a queue overloaded that nobody left', () => {
    const codel = createCodel();
    codel.isOverloaded(0, 0);
    expect(codel.isOverloaded(2000, 1999)).toBe(false);
    expect(codel.isOverloaded(4000, 3999)).toBe(true);
  });
});

describe('Retry-After', () => {
  it('is what is ahead less four fifths of the limit, by the rate of service', () => {
    expect(retryAfterSeconds(18_000, 10_000, 1000, 0)).toBe(10);
    expect(retryAfterSeconds(18_000, 10_000, 1000, 1)).toBe(12);
    expect(retryAfterSeconds(8000, Number.POSITIVE_INFINITY, 1000, 0)).toBe(8);
    expect(retryAfterSeconds(100, 1000, 0, 0)).toBe(1);
  });

  it('is a whole number from 1 to 60 whatever the figures', () => {
    const size = fc.oneof(fc.nat(), fc.constant(0), fc.constant(Number.POSITIVE_INFINITY));
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.nat(), size, fc.nat(), random, (ahead, limit, rate, r) => {
        const seconds = retryAfterSeconds(ahead, limit, rate, r);
        expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60).toBe(true);
      }),
    );
  });
});

describe('the expected time to the first token', () => {
  it('is that of all prefill ahead and of the own', () => {
    expect(expectedFirstTokenMs({ tokensPerSecond: 1000, baseMs: 20 }, 3000, 1000)).toBe(4020);
    expect(expectedFirstTokenMs({ tokensPerSecond: 0, baseMs: 20 }, 3000, 1000)).toBeNaN();
  });
});

describe('the heap and the list', () => {
  it('always have the least first, whoever leaves or changes', () => {
    const command = fc.record({
      what: fc.constantFrom('push', 'remove', 'update'),
      key: fc.nat(50),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        const heap = createHeap<HeapNode>();
        const nodes: HeapNode[] = [];
        for (const { what, key, at } of commands) {
          const index = nodes.length === 0 ? 0 : at % nodes.length;
          if (what === 'push' || nodes.length === 0) {
            const node = { key, index: -1 };
            nodes.push(node);
            heap.push(node);
          } else if (what === 'remove') heap.remove(nodes.splice(index, 1)[0]!);
          else {
            nodes[index]!.key = key;
            heap.update(nodes[index]!);
          }
          expect(heap.size()).toBe(nodes.length);
          expect(heap.first()?.key ?? null).toBe(
            nodes.length === 0 ? null : Math.min(...nodes.map((node) => node.key)),
          );
        }
      }),
    );
  });

  it('keep the order of those that stay', () => {
    const list = createList<number>();
    const nodes = [1, 2, 3].map((value) => list.push(value));
    list.remove(nodes[1]!);
    expect([list.first(), list.last()]).toEqual([1, 3]);
    list.remove(nodes[0]!);
    expect([list.first(), list.last()]).toEqual([3, 3]);
    list.remove(nodes[2]!);
    expect([list.first(), list.last()]).toEqual([null, null]);
  });
});
