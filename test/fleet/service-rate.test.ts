import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createServiceRate } from '../../lib/fleet/service-rate.js';

/** One request after the other at one worker: 400 tokens of prompt in 100 ms, 50 more tokens each 20 ms. */
function serveOne(rate: ReturnType<typeof createServiceRate>, worker: string, fromMs: number): number {
  const request = rate.send(worker, 400, fromMs);
  let atMs = fromMs + 100;
  request.tokens(atMs, 1);
  for (let n = 1; n < 50; n += 1) {
    atMs += 20;
    request.tokens(atMs, 1);
  }
  request.end(atMs);
  return atMs;
}

describe('the speed of a pool', () => {
  it('is unknown before anything was served', () => {
    const { tokensPerSecond, prefill, interTokenMs } = createServiceRate().speed(0);
    expect([tokensPerSecond, prefill.tokensPerSecond, prefill.baseMs]).toEqual([0, 0, 0]);
    expect(interTokenMs).toBeNaN();
  });

  it('is what was prefilled and generated while there was something to do, however long it rested', () => {
    const rate = createServiceRate();
    let atMs = 0;
    for (let n = 0; n < 10; n += 1) atMs = serveOne(rate, 'one', atMs + 5000);
    const { tokensPerSecond, prefill, interTokenMs } = rate.speed(atMs);
    expect(prefill.tokensPerSecond).toBeCloseTo(4000, -1);
    expect(interTokenMs).toBe(20);
    // 450 tokens in 1080 ms.
    expect(tokensPerSecond).toBeGreaterThan(300);
    expect(tokensPerSecond).toBeLessThan(500);
  });

  it('is that of all workers together, and of one for a prompt that one prefills', () => {
    const rate = createServiceRate();
    serveOne(rate, 'one', 0);
    const alone = rate.speed(2000);
    serveOne(rate, 'two', 0);
    const both = rate.speed(2000);
    expect(both.tokensPerSecond).toBeCloseTo(2 * alone.tokensPerSecond);
    expect(both.prefill.tokensPerSecond).toBeCloseTo(2 * alone.prefill.tokensPerSecond);
    expect(both.prefill.ownTokensPerSecond).toBeCloseTo(alone.prefill.tokensPerSecond);
    rate.forget('two');
    expect(rate.speed(2000)).toEqual(alone);
  });

  it('falls while a worker gives nothing to those that wait there', () => {
    const rate = createServiceRate();
    const atMs = serveOne(rate, 'one', 0);
    const before = rate.speed(atMs).prefill.tokensPerSecond;
    rate.send('one', 400, atMs);
    expect(rate.speed(atMs + 5000).prefill.tokensPerSecond).toBeLessThan(before / 10);
  });

  it('is unknown again after a rest, so that nobody is refused for a bad figure for ever', () => {
    const rate = createServiceRate();
    const stuck = rate.send('one', 400, 0);
    stuck.tokens(60_000, 1);
    stuck.end(60_000);
    expect(rate.speed(60_000).prefill.tokensPerSecond).toBeLessThan(100);
    expect(rate.speed(75_000).prefill.tokensPerSecond).toBe(0);
  });

  it('tells the wait in a worker from the prefill', () => {
    const rate = createServiceRate();
    const atMs = serveOne(rate, 'one', 0);
    const unhindered = rate.send('one', 800, atMs);
    expect(unhindered.tokens(atMs + 200, 1)).toBe(0);
    expect(unhindered.tokens(atMs + 220, 1)).toBeNull();
    const behind = rate.send('one', 400, atMs + 300);
    // 100 ms of prefill, two steps of 20 ms.
    expect(behind.tokens(atMs + 1300, 1)).toBeGreaterThan(850);
  });

  it('takes several tokens that come at once for so many that came one after the other', () => {
    const rate = createServiceRate();
    const request = rate.send('one', 10, 0);
    request.tokens(100, 1);
    request.tokens(140, 4);
    expect(rate.speed(140).interTokenMs).toBe(10);
  });

  it('says of an empty prompt that it did not wait, before anything is known', () => {
    expect(createServiceRate().send('one', 0, 0).tokens(500, 1)).toBe(0);
  });

  it('gives finite figures for whatever order of calls, and counts nothing after the end', () => {
    const call = fc.record({
      what: fc.constantFrom('send', 'token', 'token', 'end', 'forget'),
      worker: fc.constantFrom('one', 'two'),
      tokens: fc.nat(5000),
      gapMs: fc.nat(20_000),
      at: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const rate = createServiceRate();
        const requests: ReturnType<typeof rate.send>[] = [];
        let atMs = 0;
        for (const { what, worker, tokens, gapMs, at } of calls) {
          atMs += gapMs;
          const request = requests[at % Math.max(1, requests.length)];
          if (what === 'send') requests.push(rate.send(worker, tokens, atMs));
          else if (what === 'forget') rate.forget(worker);
          else if (what === 'end') {
            request?.end(atMs);
            request?.end(atMs);
            expect(request?.tokens(atMs, 1) ?? null).toBeNull();
          } else expect(request?.tokens(atMs, 1) ?? 0).toBeGreaterThanOrEqual(0);
          const { tokensPerSecond, prefill } = rate.speed(atMs);
          for (const figure of [tokensPerSecond, prefill.tokensPerSecond, prefill.baseMs]) {
            expect(figure).toBeGreaterThanOrEqual(0);
            expect(figure).toBeLessThan(Number.POSITIVE_INFINITY);
          }
        }
      }),
    );
  });
});
