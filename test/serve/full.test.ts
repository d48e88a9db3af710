import { describe, expect, test } from 'vitest';
import { collect, gate, settled, setUpServing, words } from './set-up.js';

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
