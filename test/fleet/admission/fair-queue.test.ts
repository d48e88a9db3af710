import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairQueue, type Waiting } from '../../../lib/fleet/admission/fair-queue.js';

let lastId = 0;
const request = (tenant: string, more: Partial<Waiting> = {}): Waiting => ({
  id: ++lastId,
  tenant,
  level: 0,
  promptTokens: 100,
  prefillTokens: 100,
  tokens: 200,
  bytes: 10,
  sinceMs: 0,
  untilMs: 1000,
  deadlineMs: Number.POSITIVE_INFINITY,
  random: 0,
  ...more,
});

describe('the fair queue', () => {
  it('serves the tenant that was served the fewest tokens, and each in order', () => {
    const queue = createFairQueue(1);
    const [a1, a2, b1] = [request('a'), request('a'), request('b')];
    for (const waiting of [a1, a2, b1]) queue.push(waiting);
    queue.admit(a1!.id);
    expect(queue.peek(0, false)).toBe(b1);
    queue.admit(b1!.id);
    queue.charge('b', 1);
    expect(queue.peek(0, false)).toBe(a2);
  });

  it('serves the newest of a tenant first when it is told to', () => {
    const queue = createFairQueue(1);
    const [old, young] = [request('a'), request('a')];
    queue.push(old!);
    queue.push(young!);
    expect(queue.peek(0, true)).toBe(young);
    expect(queue.oldest(0)).toBe(old);
  });

  it('gives who was away no claims, and does not forgive what it was served too much', () => {
    const queue = createFairQueue(1);
    const admit = (waiting: Waiting) => {
      queue.push(waiting);
      queue.admit(waiting.id);
    };
    admit(request('greedy'));
    queue.charge('greedy', 10_000);
    queue.push(request('steady'));
    queue.release('greedy');
    queue.push(request('new'));
    expect(queue.counter('new')).toBe(queue.counter('steady'));
    queue.push(request('greedy'));
    expect(queue.counter('greedy')).toBeGreaterThanOrEqual(20_000);
  });

  it('forgets tenants that would be lifted anyway', () => {
    const queue = createFairQueue(1);
    for (let tenant = 0; tenant < 20_000; tenant += 1) {
      const waiting = request(`tenant ${tenant}`);
      queue.push(waiting);
      queue.admit(waiting.id);
      queue.release(waiting.tenant);
    }
    expect(queue.tenants()).toBeLessThan(3);
  });

  it('counts of what is ahead of a tenant its fair share', () => {
    const queue = createFairQueue(2);
    for (let n = 0; n < 10; n += 1) queue.push(request('flood', { level: 1 }));
    queue.push(request('light', { level: 1 }));
    expect(queue.ahead('light', 1, false)).toEqual({ prefillTokens: 200, tokens: 400 });
    expect(queue.ahead('flood', 1, false)).toEqual({ prefillTokens: 1100, tokens: 2200 });
    queue.push(request('other', { level: 0 }));
    expect(queue.ahead('light', 1, false).tokens).toBe(600);
    expect(queue.ahead('flood', 1, true).tokens).toBe(200);
  });

  it('serves backlogged tenants within the bound of virtual token counters', () => {
    // Invariant 15: |Wa − Wb| ≤ 2·max(w_in·Lin, w_out·M), where at most M tokens are generated at once.
    const work = fc.array(fc.record({ prompt: fc.integer({ min: 1, max: 500 }), output: fc.nat(300) }), {
      minLength: 20,
      maxLength: 200,
    });
    fc.assert(
      fc.property(work, fc.integer({ min: 1, max: 8 }), (list, places) => {
        const queue = createFairQueue(1);
        const running: Waiting[] = [];
        const served = new Map([
          ['a', 0],
          ['b', 0],
        ]);
        const refill = (tenant: string, index: number) => {
          const { prompt } = list[index % list.length]!;
          queue.push(request(tenant, { promptTokens: tenant === 'a' ? prompt : 501 - prompt }));
        };
        // Two always wait, so that both are backlogged throughout.
        for (const tenant of served.keys()) for (let n = 0; n < 2; n += 1) refill(tenant, n);
        list.forEach(({ output }, index) => {
          while (running.length < places) {
            const next = queue.peek(0, false)!;
            queue.admit(next.id);
            served.set(next.tenant, served.get(next.tenant)! + next.promptTokens);
            running.push(next);
            refill(next.tenant, index);
          }
          const ended = running.shift()!;
          queue.charge(ended.tenant, output);
          served.set(ended.tenant, served.get(ended.tenant)! + 2 * output);
          queue.release(ended.tenant);
          const difference = Math.abs(served.get('a')! - served.get('b')!);
          expect(difference).toBeLessThanOrEqual(2 * Math.max(500, 2 * places * 300) + 500);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('agrees with a plain list about sums, ends and who is oldest', () => {
    const command = fc.record({
      what: fc.constantFrom('push', 'push', 'remove', 'admit'),
      tenant: fc.constantFrom('a', 'b', 'c'),
      level: fc.nat(1),
      size: fc.nat(100),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const queue = createFairQueue(2);
        const model: Waiting[] = [];
        commands.forEach(({ what, tenant, level, size, at }, sinceMs) => {
          if (what === 'push') {
            const waiting = request(tenant, { level, tokens: size, bytes: size, untilMs: at, sinceMs });
            model.push(waiting);
            queue.push(waiting);
          } else if (model.length > 0) {
            const [gone] = model.splice(at % model.length, 1);
            expect(what === 'admit' ? queue.admit(gone!.id) : queue.remove(gone!.id)).toBe(gone);
            if (what === 'admit') queue.release(gone!.tenant);
            expect(queue.remove(gone!.id)).toBe(null);
          }
          const sum = (key: 'tokens' | 'bytes') => model.reduce((all, waiting) => all + waiting[key], 0);
          expect([queue.length, queue.tokens, queue.bytes]).toEqual([
            model.length,
            sum('tokens'),
            sum('bytes'),
          ]);
          const ends = model.map(({ untilMs }) => untilMs);
          expect(queue.nextToExpire()?.untilMs ?? Number.POSITIVE_INFINITY).toBe(Math.min(...ends));
          for (const each of [0, 1]) {
            const those = model.filter((waiting) => waiting.level === each);
            expect(queue.lengthOf(each)).toBe(those.length);
            expect(queue.oldest(each)).toBe(those[0] ?? null);
            const next = queue.peek(each, false);
            const least = Math.min(...those.map((waiting) => queue.counter(waiting.tenant)));
            if (next !== null) expect(queue.counter(next.tenant)).toBe(least);
            else expect(those).toEqual([]);
          }
        });
      }),
    );
  });
});
