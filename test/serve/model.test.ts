import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RequestScope } from '../../lib/lifecycle/active-scopes.js';
import { settled, setUpServing } from './set-up.js';

type Order = { readonly frame: number } | 'end' | 'throw';

/** A handler that does what it is told, one order at a time, whether it has been cancelled or not. */
function puppet() {
  const orders: Order[] = [];
  let wake: () => void = () => undefined;
  let isOver = false;
  async function* handler(_: unknown, _scope: RequestScope): AsyncGenerator<number> {
    try {
      for (;;) {
        while (orders.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const order = orders.shift()!;
        if (order === 'end') return;
        if (order === 'throw') throw new Error('engine failed');
        yield order.frame;
      }
    } finally {
      isOver = true;
    }
  }
  return {
    handler,
    give(order: Order): void {
      orders.push(order);
      wake();
    },
    isOver: () => isOver,
  };
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant('next' as const) },
  { weight: 5, arbitrary: fc.constant('frame' as const) },
  { weight: 1, arbitrary: fc.constantFrom('end' as const, 'throw' as const) },
  { weight: 3, arbitrary: fc.constantFrom('stop' as const, 'kill' as const, 'drain' as const) },
  { weight: 1, arbitrary: fc.constantFrom('hang up' as const, 'return' as const) },
  { weight: 2, arbitrary: fc.constantFrom('wait' as const, 'turn' as const) },
);

test('whatever comes when: frames in order, nothing after an end or a kill, and every gauge back at zero', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const set = setUpServing({ maxConcurrent: 1, maxQueue: 1 });
      const { handler, give, isOver } = puppet();
      const served = set.endpoint('generate').serve(handler);
      const client = new AbortController();
      const call = served.call(null, { id: 'a', signal: client.signal, deadlineMs: 10_000 });
      const results: Promise<void>[] = [];
      const frames: number[] = [];
      const ends: string[] = [];
      let given = 0;
      let isKilled = false;

      const state = (): string | undefined => set.scopes.requests()[0]?.state;
      for (const what of steps) {
        switch (what) {
          case 'next':
            results.push(
              call.next().then(
                ({ done, value }) => {
                  if (done) ends.push('done');
                  else {
                    // Nothing after an end, and nothing after a kill.
                    expect(ends).toEqual([]);
                    expect(isKilled).toBe(false);
                    frames.push(value);
                  }
                },
                (error: { code?: string; message: string }) => {
                  ends.push(error.code ?? error.message);
                },
              ),
            );
            break;
          case 'frame':
            give({ frame: given });
            given += 1;
            break;
          case 'end':
          case 'throw':
            give(what);
            break;
          case 'stop':
          case 'kill':
            // What is still on its way through the microtasks was there before the kill.
            await settled();
            served.cancel('a', what);
            break;
          case 'drain':
            await settled();
            set.scopes.killAll({ code: 'drain', message: 'shutting down' });
            break;
          case 'hang up':
            client.abort();
            break;
          case 'return':
            await settled();
            await call.return();
            isKilled = true;
            break;
          case 'wait':
            await settled();
            set.clock.advance(1500);
            break;
          case 'turn':
            await settled();
            break;
        }
        isKilled ||= state() === 'killed';
      }
      // The rest of its life: it ends by itself, or by its deadline.
      give('end');
      await settled();
      set.clock.advance(20_000);
      give('end');
      results.push(
        call.next().then(
          () => undefined,
          () => undefined,
        ),
      );
      await Promise.all(results);
      await call.return();
      await settled();
      expect(frames).toEqual(Array.from({ length: frames.length }, (_, index) => index));
      expect([set.scopes.count(), set.admission.counts().admitted, set.board.running()]).toEqual([0, 0, 0]);
      expect(set.counted.ended + set.counted.failed).toBe(set.counted.begun);
      if (set.counted.begun > 0) expect(isOver() || frames.length === 0).toBe(true);
      expect(set.clock.timers()).toBe(0);
    }),
    { numRuns: 400 },
  );
});
