import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CacheEffect,
  createInstanceCache,
  type StoredInstance,
} from '../../lib/fleet/instance-cache.js';

const item = (
  worker: string,
  revision: number,
  { incarnation = '1', state = 'serving' as 'serving' | 'draining' } = {},
): StoredInstance => ({
  key: `instances/${worker}`,
  revision,
  instance: { ref: { worker, incarnation }, state, data: null },
});
const at = (atMs: number) => ({ atMs, random: 0.5 });

function cache(healthy: ReadonlySet<string> = new Set()) {
  const made = createInstanceCache({ isHealthy: ({ worker }) => healthy.has(worker) });
  made.step({ type: 'start', ...at(0) });
  return {
    made,
    list: (atMs: number, revision: number, items: StoredInstance[], store = 's', term = 0) =>
      made.step({ type: 'listed', store, revision, term, items, ...at(atMs) }),
    watch: (atMs: number, revision: number, puts: StoredInstance[], deletes: string[] = []) =>
      made.step({
        type: 'watched',
        store: 's',
        revision,
        puts,
        deletes: deletes.map((w) => `instances/${w}`),
        ...at(atMs),
      }),
    names: () => made.instances().map(({ ref: { worker } }) => worker),
    kinds: (effects: readonly CacheEffect[]) => effects.map(({ type }) => type),
  };
}

describe('the instance cache', () => {
  it('lists, then watches from the next revision', () => {
    const { list, names, kinds } = cache();
    const effects = list(10, 7, [item('a', 3), item('b', 5)]);
    expect(kinds(effects)).toEqual(['added', 'added', 'watch']);
    expect(effects.at(-1)).toEqual({ type: 'watch', fromRevision: 8 });
    expect(names()).toEqual(['a', 'b']);
  });

  it('ignores what is older than what it knows, and a list of a member that lags behind', () => {
    const { made, list, watch, names } = cache();
    list(10, 7, [item('a', 3)]);
    watch(20, 9, [item('b', 9)]);
    expect(watch(30, 8, [], ['b'])).toEqual([]);
    expect(list(40, 8, [])).toEqual([]);
    expect(names()).toEqual(['a', 'b']);
    expect(made.nextTimerMs()).toBeCloseTo(40 + 187.5);
  });

  it('removes at once who has said that it leaves or does not work', () => {
    const { list, watch, names } = cache(new Set(['a', 'b']));
    list(10, 7, [item('a', 3), item('b', 4, { state: 'draining' }), item('c', 5)]);
    watch(20, 8, [], ['b', 'c']);
    expect(names()).toEqual(['a']);
  });

  it('doubts that a worker is gone that still works, and looks after it once in a TTL', () => {
    const healthy = new Set(['a']);
    const { made, list, watch, names, kinds } = cache(healthy);
    list(0, 7, [item('a', 3), item('b', 4), item('c', 5)]);
    watch(1000, 8, [], ['a']);
    expect(names()).toContain('a');
    expect(made.nextTimerMs()).toBe(11_000);
    expect(kinds(made.step({ type: 'tick', ...at(11_000) }))).toEqual(['list']);
    list(11_100, 9, [item('b', 4), item('c', 5)]);
    expect(names()).toContain('a');
    expect(made.nextTimerMs()).toBe(21_100);
    healthy.clear();
    list(21_200, 9, [item('b', 4), item('c', 5)]);
    expect(names()).toEqual(['b', 'c']);
  });

  it('believes after ten TTLs that it is gone; time in which the store was not heard does not count', () => {
    const { made, list, names } = cache(new Set(['a']));
    list(0, 7, [item('a', 3)]);
    list(1000, 8, []);
    made.step({ type: 'watch_lost', ...at(2000) });
    list(90_000, 8, []);
    list(101_000, 8, []);
    expect(names()).toEqual(['a']);
    list(190_000, 8, []);
    expect(names()).toEqual([]);
  });

  it('tells a history that was cut off, of a later leader, from a member that lags behind', () => {
    const { made, list, watch, names } = cache(new Set(['a']));
    list(0, 20, [item('a', 3), item('b', 20)], 's', 4);
    expect(list(1000, 10, [item('a', 3)], 's', 4)).toEqual([]);
    expect(names()).toEqual(['a', 'b']);
    list(2000, 10, [item('a', 3), item('c', 9)], 's', 5);
    expect([made.revision, names()]).toEqual([10, ['a', 'c']]);
    watch(3000, 11, [item('b', 11)]);
    expect(names()).toEqual(['a', 'c', 'b']);
  });

  it('brings no life back from a history in which it had not been followed, and takes its follower again', () => {
    const { made, list, watch } = cache();
    const incarnations = () => made.instances().map(({ ref }) => ref.incarnation);
    list(0, 6, [item('a', 3)], 's', 1);
    watch(1000, 7, [], ['a']);
    watch(2000, 8, [item('a', 8, { incarnation: '2' })]);
    list(3000, 6, [item('a', 3)], 's', 2);
    expect(incarnations()).toEqual(['2']);
    watch(4000, 7, [item('a', 7, { incarnation: '2' })]);
    expect(incarnations()).toEqual(['2']);
  });

  it('looks by itself, ten TTLs after a life was followed, whether it is registered all the same', () => {
    const { made, list, watch } = cache();
    list(0, 3, [item('a', 3, { incarnation: '2' })]);
    watch(1000, 4, [item('a', 4, { incarnation: '1' })]);
    watch(2000, 5, [item('a', 5, { incarnation: '2' })]);
    expect(made.instances().map(({ ref }) => ref.incarnation)).toEqual(['1']);
    expect(made.nextTimerMs()).toBe(101_000);
    expect(made.step({ type: 'tick', ...at(101_000) })).toEqual([{ type: 'list' }]);
    list(101_010, 5, [item('a', 5, { incarnation: '2' })]);
    expect(made.instances().map(({ ref }) => ref.incarnation)).toEqual(['2']);
    expect(made.nextTimerMs()).toBe(101_010 + 300_000);
  });

  it('takes a life that is still registered ten TTLs after it was followed', () => {
    const { made, list } = cache();
    list(0, 3, [item('a', 3)]);
    list(1000, 4, [item('a', 4, { incarnation: '2' })]);
    list(50_000, 5, [item('a', 5)]);
    expect(made.instances()[0]?.ref.incarnation).toBe('2');
    list(101_000, 6, [item('a', 5)]);
    expect(made.instances()[0]?.ref.incarnation).toBe('1');
  });

  it('takes a store that says less for ten TTLs for one that has gone back', () => {
    const { list, names } = cache();
    list(0, 20, [item('a', 3)]);
    for (let atMs = 1000; atMs < 101_000; atMs += 5000) expect(list(atMs, 10, [])).toEqual([]);
    list(101_000, 10, []);
    expect(names()).toEqual([]);
  });

  it('keeps it when it registers again meanwhile', () => {
    const { made, list, watch, names } = cache(new Set(['a']));
    list(0, 7, [item('a', 3), item('b', 4), item('c', 5)]);
    watch(1000, 8, [], ['a']);
    watch(6000, 9, [item('a', 9)]);
    made.step({ type: 'tick', ...at(11_000) });
    list(11_100, 9, [item('a', 9), item('b', 4), item('c', 5)]);
    expect(names()).toEqual(['a', 'b', 'c']);
  });

  it('believes no store that has lost most of what still works', () => {
    const { list, names, kinds } = cache(new Set(['a', 'b', 'c']));
    list(0, 7, [item('a', 3), item('b', 4), item('c', 5)]);
    expect(kinds(list(1000, 2, [], 'another store'))).toEqual(['mass_removal', 'watch']);
    expect(names()).toEqual(['a', 'b', 'c']);
    list(9000, 5, [item('a', 3), item('b', 4)], 'another store');
    list(101_000, 6, [item('a', 3), item('b', 4)], 'another store');
    expect(names()).toEqual(['a', 'b']);
  });

  it('removes nothing while the store cannot be heard, and asks again with growing waits', () => {
    const { made, list, watch, names } = cache();
    list(0, 7, [item('a', 3)]);
    made.step({ type: 'watch_lost', ...at(100) });
    expect(made.isSynced).toBe(false);
    expect(watch(200, 8, [], ['a'])).toEqual([]);
    const waits: number[] = [];
    for (let i = 0, atMs = 287.5; i < 7; i += 1) {
      made.step({ type: 'tick', ...at(atMs) });
      made.step({ type: 'list_failed', ...at(atMs) });
      waits.push(made.nextTimerMs() - atMs);
      atMs = made.nextTimerMs();
    }
    expect(waits.map(Math.round)).toEqual([375, 750, 1500, 3000, 3750, 3750, 3750]);
    expect(names()).toEqual(['a']);
  });

  it('takes a new life for another worker, and never goes back to an old one', () => {
    const { list, watch, made, kinds } = cache();
    list(0, 7, [item('a', 3)]);
    expect(kinds(watch(10, 8, [item('a', 8, { incarnation: '2' })]))).toEqual(['removed', 'added']);
    expect(watch(20, 9, [item('a', 9, { incarnation: '1' })])).toEqual([]);
    expect(made.instances()[0]?.ref.incarnation).toBe('2');
  });

  it('holds what the store holds after two lists, whatever was lost on the way; revisions never go back', () => {
    const change = fc.record({
      worker: fc.nat(5),
      what: fc.constantFrom('put', 'delete', 'drain'),
      isHeard: fc.boolean(),
      isLost: fc.nat(9).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
        const { made, list, watch } = cache(new Set(['w0', 'w1', 'w2']));
        const truth = new Map<string, StoredInstance>();
        let revision = 1;
        let atMs = 0;
        list(atMs, revision, []);
        for (const { worker, what, isHeard, isLost } of changes) {
          atMs += 500;
          revision += 1;
          const name = `w${worker}`;
          if (what === 'delete') truth.delete(name);
          else truth.set(name, item(name, revision, { state: what === 'drain' ? 'draining' : 'serving' }));
          const before = made.revision;
          if (isLost) {
            made.step({ type: 'watch_lost', ...at(atMs) });
            const size = made.instances().length;
            watch(atMs, revision, [], ['w0', 'w1', 'w2', 'w3', 'w4', 'w5']);
            expect(made.instances()).toHaveLength(size);
          } else if (isHeard)
            watch(
              atMs,
              revision,
              what === 'delete' ? [] : [truth.get(name)!],
              what === 'delete' ? [name] : [],
            );
          if (atMs >= made.nextTimerMs()) {
            made.step({ type: 'tick', ...at(atMs) });
            list(atMs, revision, [...truth.values()]);
          }
          expect(made.revision).toBeGreaterThanOrEqual(before);
        }
        for (const waitMs of [1, 25_000, 100_000]) {
          atMs += waitMs;
          list(atMs, revision, [...truth.values()]);
        }
        expect(new Set(made.instances())).toEqual(
          new Set([...truth.values()].map(({ instance }) => instance)),
        );
      }),
      { numRuns: 300 },
    );
  });
});
