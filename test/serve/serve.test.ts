import { describe, expect, test } from 'vitest';
import { collect, settled, setUpServing, words } from './set-up.js';

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
