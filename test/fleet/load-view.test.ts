import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLoadView, type Permit } from '../../lib/fleet/load-view.js';

const ref = (worker: string) => ({ worker, incarnation: '1' });
const report = (atMs: number, activeTokens: number) => ({
  atMs,
  activeTokens,
  kvBlocksUsed: 25,
  kvBlocksTotal: 100,
});

describe('the load view', () => {
  it('adds to the last report what was sent since, and takes off what has ended since', () => {
    const view = createLoadView();
    const early = view.send(ref('a'), 100, 10);
    view.report(ref('a'), report(20, 500));
    const late = view.send(ref('a'), 300, 30);
    expect(view.load(ref('a'), 40)).toMatchObject({
      tokens: 800,
      kvRatio: 0.25,
      isStale: false,
      inFlight: 2,
    });
    early.release();
    early.release();
    expect(view.load(ref('a'), 43).tokens).toBe(700);
    late.progress(200);
    expect(view.load(ref('a'), 44).tokens).toBe(500);
    view.report(ref('a'), report(50, 100));
    expect(view.load(ref('a'), 51).tokens).toBe(100);
  });

  it('counts what it has sent itself to a worker that does not tell its tokens, whenever it last reported', () => {
    const view = createLoadView();
    const long = view.send(ref('a'), 900, 10);
    view.send(ref('a'), 100, 20);
    view.report(ref('a'), report(30, Number.NaN));
    expect(view.load(ref('a'), 31)).toMatchObject({ tokens: 1000, kvRatio: 0.25, isStale: false });
    long.progress(400);
    expect(view.load(ref('a'), 32).tokens).toBe(600);
    long.release();
    expect(view.load(ref('a'), 33).tokens).toBe(100);
    view.report(ref('b'), report(30, Number.NaN));
    expect(view.load(ref('b'), 33).tokens).toBe(0);
  });

  it('takes a worker that reports nothing for neither idle nor full', () => {
    const view = createLoadView();
    for (const [worker, tokens] of [
      ['a', 100],
      ['b', 400],
      ['c', 900],
    ] as const)
      view.report(ref(worker), report(10_000, tokens));
    view.report(ref('silent'), report(0, 0));
    expect(view.load(ref('silent'), 10_100)).toMatchObject({ tokens: 400, isStale: true });
    view.send(ref('silent'), 5000, 10_100);
    expect(view.load(ref('silent'), 10_200).tokens).toBe(5000);
  });

  it('keeps nothing of workers that are only asked about, as of those that have left', () => {
    const view = createLoadView();
    view.report(ref('a'), report(0, 1));
    view.forget(ref('a'));
    expect(view.load(ref('a'), 1)).toMatchObject({ isStale: true, inFlight: 0, tokens: 0 });
    expect(view.size).toBe(0);
  });

  it('ignores a report that is older than the last', () => {
    const view = createLoadView();
    view.report(ref('a'), report(20, 500));
    view.report(ref('a'), report(10, 1));
    expect(view.load(ref('a'), 21).tokens).toBe(500);
  });

  it('counts as in flight exactly the permits that are out, whatever the order', () => {
    const action = fc.record({ do: fc.constantFrom('send', 'release', 'report', 'forget'), who: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const view = createLoadView();
        const out: Permit[] = [];
        const old: Permit[] = [];
        actions.forEach(({ do: what, who }, atMs) => {
          if (what === 'send') out.push(view.send(ref(`w${who}`), 10, atMs));
          else if (what === 'report') view.report(ref(`w${who}`), report(atMs, 10 * who));
          else if (what === 'forget') view.forget(ref(`w${who}`));
          else {
            const [permit] = out.splice(who, 1);
            if (permit !== undefined) old.push(permit);
            for (const each of old) each.release();
          }
          expect(view.inFlight).toBe(out.length);
          expect(view.load(ref(`w${who}`), atMs).tokens).toBeGreaterThanOrEqual(0);
        });
      }),
    );
  });
});
