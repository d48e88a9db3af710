import { describe, expect, test } from 'vitest';
import type { RequestScope } from '../../lib/lifecycle/active-scopes.js';
import { gate, settled, setUpServing } from './set-up.js';

type Frame = { text: string; tokens?: number };

async function* words(request: string): AsyncGenerator<Frame> {
  for (const text of request.split(' ')) yield { text, tokens: 1 };
}

async function collect<T>(frames: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

describe('a served endpoint', () => {
  test('becomes ready by being served, and not ready by being closed', () => {
    const { endpoint, lastStatus, events, canaries } = setUpServing();
    const handle = endpoint('generate');
    expect(events).toMatchObject([{ type: 'endpoint-declared', name: 'generate' }]);
    const served = handle.serve(words, { canaryPayload: { prompt: 'hi' } });
    expect(lastStatus()).toBe('ready');
    served.close();
    served.close();
    expect(lastStatus()).toBe('notready');
    expect(canaries).toEqual(['add generate {"prompt":"hi"}', 'remove generate']);
  });

  test('waits for ready() where it is told to', () => {
    const { endpoint, lastStatus } = setUpServing();
    const handle = endpoint('generate');
    handle.serve(words, { ready: false });
    expect(lastStatus()).toBeUndefined();
    handle.ready();
    expect(lastStatus()).toBe('ready');
  });

  test('is held back by named holds until the last of them is released', () => {
    const { endpoint, lastStatus } = setUpServing();
    const handle = endpoint('generate');
    const adapter = handle.hold('adapter');
    const twice = handle.hold('adapter');
    const warmup = handle.hold('warmup');
    handle.serve(words);
    expect(lastStatus()).toBe('notready endpoint.adapter');
    adapter.release();
    adapter.release();
    expect(lastStatus()).toBe('notready endpoint.adapter');
    twice.release();
    expect(lastStatus()).toBe('notready endpoint.warmup');
    warmup[Symbol.dispose]();
    expect(lastStatus()).toBe('ready');
  });

  test('is one however often it is asked for, and is served by one handler at a time', () => {
    const { endpoint, events } = setUpServing();
    const handle = endpoint('generate');
    const served = handle.serve(words);
    expect(endpoint('generate')).toBe(handle);
    expect(events.filter(({ type }) => type === 'endpoint-declared')).toHaveLength(1);
    expect(() => handle.serve(words)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    served.close();
    handle.serve(words);
    expect(() => endpoint('no/name')).toThrow(/name/);
    expect(() => endpoint('other').serve('x' as never)).toThrow(/handler/);
  });

  test('gives the frames of its handler, and counts request, tokens and progress', async () => {
    const { endpoint, counted, scopes, admission, board, canaries } = setUpServing();
    const served = endpoint('generate').serve(words);
    expect(await collect(served.call('a b c'))).toEqual([
      { text: 'a', tokens: 1 },
      { text: 'b', tokens: 1 },
      { text: 'c', tokens: 1 },
    ]);
    expect(counted).toEqual({ begun: 1, ended: 1, failed: 0, tokens: 3 });
    expect(scopes.progressTotal()).toBe(3);
    expect([scopes.count(), admission.counts().admitted, board.running()]).toEqual([0, 0, 0]);
    expect(canaries.filter((line) => line === 'traffic generate')).toHaveLength(3);
  });

  test('takes any frame, and ignores tokens that are no number of tokens', async () => {
    const { endpoint, counted } = setUpServing();
    const odd = [null, 'text', { tokens: -1 }, { tokens: 1.5 }, { tokens: 'x' }, { tokens: 2 }];
    const served = endpoint('generate').serve(async function* () {
      yield* odd;
    });
    expect(await collect(served.call(null))).toEqual(odd);
    expect(counted.tokens).toBe(2);
  });

  test('does nothing before somebody asks for a frame', async () => {
    const { endpoint, counted, scopes } = setUpServing();
    let began = 0;
    const served = endpoint('generate').serve(async function* () {
      began += 1;
      yield 1;
    });
    const call = served.call(null);
    await settled();
    expect([began, counted.begun, scopes.count()]).toEqual([0, 0, 0]);
    expect(await call.return()).toEqual({ done: true, value: undefined });
    expect((await call.next()).done).toBe(true);
    expect(began).toBe(0);
  });

  test('answers several next() in their order', async () => {
    const served = setUpServing().endpoint('generate').serve(words);
    const call = served.call('a b');
    const results = await Promise.all([call.next(), call.next(), call.next(), call.next()]);
    expect(results.map(({ value, done }) => (done ? 'end' : value.text))).toEqual(['a', 'b', 'end', 'end']);
  });

  test('gives what the handler throws to the caller and to the GPU policy, and counts a failure', async () => {
    const { endpoint, counted, errors, scopes, admission } = setUpServing();
    const failure = new Error('CUDA error: an illegal memory access was encountered');
    const served = endpoint('generate').serve(async function* () {
      yield 1;
      throw failure;
    });
    const call = served.call(null);
    await call.next();
    await expect(call.next()).rejects.toBe(failure);
    expect((await call.next()).done).toBe(true);
    expect(errors).toEqual([failure]);
    expect(counted).toMatchObject({ ended: 0, failed: 1 });
    expect([scopes.count(), admission.counts().admitted]).toEqual([0, 0]);
    const { endpoint: other, errors: thrown } = setUpServing();
    const sync = other('generate').serve(() => {
      throw failure;
    });
    await expect(sync.call(null).next()).rejects.toBe(failure);
    expect(thrown).toEqual([failure]);
  });

  test('refuses calls after it was closed, and lets those in flight end', async () => {
    const { endpoint, counted } = setUpServing();
    const served = endpoint('generate').serve(words);
    const running = served.call('a b');
    await running.next();
    served.close();
    await expect(served.call('x').next()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(await collect(running)).toHaveLength(1);
    expect(counted).toMatchObject({ begun: 1, ended: 1 });
  });
});

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

describe('a full or draining process', () => {
  test('refuses calls with the time to come back, before anything has been counted', async () => {
    const { endpoint, counted, scopes } = setUpServing({ maxConcurrent: 1, maxQueue: 0 });
    const hung = gate();
    const served = endpoint('generate').serve(async function* () {
      await hung.opened;
      yield 1;
    });
    const first = served.call(null).next();
    await settled();
    await expect(served.call(null).next()).rejects.toMatchObject({
      code: 'ERR_OVERLOADED',
      reason: 'queue_full',
      statusCode: 503,
      retryAfterSeconds: 1,
      headers: { 'retry-after': '1' },
    });
    expect([counted.begun, scopes.count()]).toEqual([1, 1]);
    hung.open();
    await first;
  });

  test('lets a call wait for its place, from where it can be cancelled', async () => {
    const { endpoint, counted, admission, scopes } = setUpServing({ maxConcurrent: 1, maxQueue: 5 });
    const served = endpoint('generate').serve(words);
    const first = served.call('a b', { id: 'first' });
    await first.next();
    const second = served.call('c', { id: 'second' }).next();
    const third = served.call('d').next();
    await settled();
    expect(admission.counts()).toEqual({ admitted: 1, queued: 2 });
    served.cancel('second');
    await expect(second).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect(await collect(first)).toHaveLength(1);
    expect((await third).value).toMatchObject({ text: 'd' });
    expect([counted.begun, scopes.count()]).toEqual([2, 1]);
  });

  test('refuses calls and canaries while it drains, those that wait too, and finishes what runs', async () => {
    const { endpoint, admission } = setUpServing({ maxConcurrent: 1, maxQueue: 5 });
    const served = endpoint('generate').serve(words);
    const running = served.call('a b');
    await running.next();
    const waiting = served.call('c').next();
    await settled();
    admission.setRefusing(true);
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_DRAINING', statusCode: 503 });
    await expect(served.call('d').next()).rejects.toMatchObject({ code: 'ERR_DRAINING' });
    await expect(served.call('d', { isCanary: true }).next()).rejects.toMatchObject({ code: 'ERR_DRAINING' });
    expect(await collect(running)).toHaveLength(1);
    admission.setRefusing(false);
    expect(await collect(served.call('e'))).toHaveLength(1);
  });

  test('lets a canary by, and counts it nowhere but as the work of the engine', async () => {
    const { endpoint, counted, scopes, board, canaries } = setUpServing({ maxConcurrent: 1, maxQueue: 0 });
    const hung = gate();
    const served = endpoint('generate').serve(async function* (request: string) {
      if (request === 'real') await hung.opened;
      yield request;
    });
    const real = served.call('real').next();
    await settled();
    const canary = served.call('canary', { isCanary: true });
    expect((await canary.next()).value).toBe('canary');
    expect([scopes.count(), scopes.count({ withCanaries: true }), counted.begun]).toEqual([1, 2, 1]);
    await canary.return();
    expect(canaries.filter((line) => line.startsWith('traffic'))).toEqual([]);
    hung.open();
    await real;
    expect(board.running()).toBe(0);
  });
});

test('a request whose client does not ask for more is no work of the engine', async () => {
  const { endpoint, board } = setUpServing();
  const served = endpoint('generate').serve(words);
  const call = served.call('a b c');
  const first = call.next();
  await settled();
  await first;
  expect(board.running()).toBe(0);
  const more = gate();
  const slow = endpoint('slow').serve(async function* () {
    await more.opened;
    yield 1;
  });
  const pending = slow.call(null).next();
  await settled();
  expect(board.running()).toBe(1);
  more.open();
  await pending;
  await call.return();
});
