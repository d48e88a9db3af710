import { describe, expect, test } from 'vitest';
import type { RequestScope } from '../../lib/lifecycle/active-scopes.js';
import { collect, gate, settled, setUpServing } from './set-up.js';

describe('cancelling a call', () => {
  /** Yields until it is stopped, and says how it ended. */
  function endless() {
    const set = setUpServing();
    const log: string[] = [];
    const scopes: RequestScope[] = [];
    const served = set.endpoint('generate').serve(async function* (_: unknown, scope: RequestScope) {
      scopes.push(scope);
      try {
        for (let i = 0; !scope.stopSignal.aborted; i += 1) {
          yield i;
          await settled();
        }
        yield 'stopped';
      } finally {
        log.push('ended');
      }
    });
    return { ...set, served, log, handlerScopes: scopes };
  }

  test('by stop lets the handler end in its own words', async () => {
    const { served, counted, log, scopes } = endless();
    const call = served.call(null, { id: 'a' });
    await call.next();
    const rest = collect(call);
    await settled();
    expect(served.cancel('a')).toBe(true);
    expect((await rest).at(-1)).toBe('stopped');
    expect(log).toEqual(['ended']);
    expect(counted).toMatchObject({ begun: 1, ended: 1, failed: 0 });
    expect(scopes.count()).toBe(0);
  });

  test('by kill ends the stream in the same turn with an error and emits nothing after it', async () => {
    const { served, counted, log, scopes, admission, board } = endless();
    const call = served.call(null, { id: 'a' });
    await call.next();
    const pending = call.next();
    served.cancel('a', 'kill', 'the user pressed stop');
    await expect(pending).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
      message: 'the user pressed stop',
      statusCode: 499,
    });
    expect((await call.next()).done).toBe(true);
    await settled();
    expect(log).toEqual(['ended']);
    expect([scopes.count(), admission.counts().admitted, board.running()]).toEqual([0, 0, 0]);
    expect(counted).toMatchObject({ begun: 1, ended: 1, failed: 0 });
  });

  test('by kill between two frames is told to the next who asks', async () => {
    const { served, log } = endless();
    const call = served.call(null, { id: 'a' });
    await call.next();
    served.cancel('a', 'kill');
    await expect(call.next()).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect((await call.next()).done).toBe(true);
    await settled();
    expect(log).toEqual(['ended']);
  });

  test('reaches the handler within one turn of the loop', async () => {
    const { served, handlerScopes } = endless();
    const call = served.call(null, { id: 'a' });
    await call.next();
    let turns = 0;
    const told = new Promise<number>((resolve) => {
      handlerScopes[0]!.signal.addEventListener('abort', () => resolve(turns));
    });
    served.cancel('a', 'kill');
    setImmediate(() => {
      turns += 1;
    });
    expect(await told).toBe(0);
    await call.return();
  });

  test('before the call comes keeps the handler from beginning', async () => {
    const { served, counted, log, admission } = endless();
    expect(served.cancel('early', 'stop', 'changed my mind')).toBe(false);
    await expect(served.call(null, { id: 'early' }).next()).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
      message: 'changed my mind',
    });
    expect([counted.begun, log.length, admission.counts().admitted]).toEqual([0, 0, 0]);
  });

  test('by leaving the loop kills the handler', async () => {
    const { served, log, counted, scopes } = endless();
    for await (const _ of served.call(null)) break;
    await settled();
    expect(log).toEqual(['ended']);
    expect(counted).toMatchObject({ ended: 1, failed: 0 });
    expect(scopes.count()).toBe(0);
  });

  test('by the disconnect of the client stops it, and kills it when it does not stop', async () => {
    const { clock, endpoint, scopes, counted } = setUpServing();
    const deaf = gate();
    const served = endpoint('generate').serve(async function* () {
      yield 1;
      await deaf.opened;
      yield 2;
    });
    const client = new AbortController();
    const call = served.call(null, { signal: client.signal });
    await call.next();
    const pending = call.next();
    client.abort();
    expect(scopes.requests()[0]?.state).toBe('stopping');
    clock.advance(2000);
    await expect(pending).rejects.toMatchObject({ code: 'ERR_CANCELLED', reason: 'disconnected' });
    // The engine is really still at it, so the request still counts.
    expect([scopes.count(), counted.ended]).toEqual([1, 0]);
    deaf.open();
    await settled();
    expect([scopes.count(), counted.ended]).toEqual([0, 1]);
  });

  test('by its deadline is a failure of the server, from whichever side the deadline comes', async () => {
    const { clock, endpoint, counted } = setUpServing();
    const served = endpoint('generate').serve(
      async function* (): AsyncGenerator<number> {
        await new Promise(() => undefined);
        yield 1;
      },
      { deadlineMs: 1000 },
    );
    const slow = served.call(null).next();
    const hasty = served.call(null, { deadlineMs: 100 }).next();
    await settled();
    const ends = Promise.allSettled([slow, hasty]);
    clock.advance(100);
    await expect(hasty).rejects.toMatchObject({ code: 'ERR_DEADLINE', statusCode: 504 });
    clock.advance(900);
    await expect(slow).rejects.toMatchObject({ code: 'ERR_DEADLINE' });
    await ends;
    expect(counted.begun).toBe(2);
  });

  test('by the drain says so', async () => {
    const { served, scopes, counted } = endless();
    const call = served.call(null);
    await call.next();
    const pending = call.next();
    scopes.killAll({ code: 'drain', message: 'the worker is shutting down' });
    await expect(pending).rejects.toMatchObject({ code: 'ERR_DRAINING', statusCode: 503 });
    await settled();
    expect(counted).toMatchObject({ ended: 0, failed: 1 });
  });

  test('works with iterators that cannot be returned', async () => {
    const { endpoint, scopes, counted } = setUpServing();
    const deaf = gate();
    let next = 0;
    const served = endpoint('generate').serve(() => ({
      [Symbol.asyncIterator]: () => ({
        async next() {
          next += 1;
          if (next > 1) await deaf.opened;
          return { done: false, value: next } as const;
        },
      }),
    }));
    const call = served.call(null, { id: 'a' });
    await call.next();
    const pending = call.next();
    served.cancel('a', 'kill');
    await expect(pending).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect(scopes.count()).toBe(1);
    deaf.open();
    await settled();
    expect([scopes.count(), counted.ended]).toEqual([0, 1]);
  });

  test('a thousand at once leaves nothing behind', async () => {
    const { served, scopes, admission, board, counted, log } = endless();
    const calls = Array.from({ length: 1000 }, (_, i) => served.call(null, { id: `r${i}` }));
    await Promise.all(calls.map((call) => call.next()));
    expect(scopes.count()).toBe(1000);
    const pending = calls.map((call) => call.next());
    scopes.killAll({ code: 'cancelled', message: 'all of them' });
    const ends = await Promise.allSettled(pending);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    await settled();
    await settled();
    expect([scopes.count(), admission.counts().admitted, board.running(), log.length]).toEqual([
      0, 0, 0, 1000,
    ]);
    expect(counted).toMatchObject({ begun: 1000, ended: 1000, failed: 0 });
  });
});
