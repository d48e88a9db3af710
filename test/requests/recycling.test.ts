import { afterEach, expect, test, vi } from 'vitest';
import { createRequestsBlock, MINUTE_BUCKETS } from '../../lib/requests/layout.js';
import { createRequestsReader } from '../../lib/requests/reader.js';
import { claimSlot } from '../../lib/requests/slots.js';
import { createTracker } from '../../lib/requests/tracker.js';

afterEach(() => vi.restoreAllMocks());

/**
 * Second 1 counted five failures of one second each; `recycle` makes the writer use its bucket for second 65, while a
 * reader that was held up still reads the minute of second 3.
 */
function setUp() {
  const time = { ms: 0 };
  const block = createRequestsBlock(0);
  const tracker = createTracker(block, claimSlot(block)!, () => time.ms);
  const reader = createRequestsReader(block);
  const five = Array.from({ length: 5 }, () => tracker.begin());
  time.ms = 999;
  for (const request of five) request.fail();
  const late = tracker.begin();
  const read = () => {
    const { errorRatePercent, avgMs, p50Ms, p99Ms } = reader.read(2_500);
    return JSON.stringify([errorRatePercent, Math.round(avgMs), Math.round(p50Ms), Math.round(p99Ms)]);
  };
  const recycle = (): void => {
    time.ms = MINUTE_BUCKETS * 1_000 + 10;
    late.end();
  };
  return { read, recycle };
}

const WHOLE = '[100,999,1016,1016]';
const NOTHING = '[0,0,0,0]';

test('a second that the writer recycles at any point of a read is read whole or not at all', () => {
  const seen = new Set<string>();
  for (let at = 0; ; at += 1) {
    const { read, recycle } = setUp();
    const load = Atomics.load.bind(Atomics);
    let loads = 0;
    const spy = vi.spyOn(Atomics, 'load').mockImplementation(((words: Int32Array, index: number) => {
      loads += 1;
      if (loads === at + 1) {
        spy.mockImplementation(load as typeof Atomics.load);
        recycle();
      }
      return load(words, index);
    }) as typeof Atomics.load);
    seen.add(read());
    spy.mockRestore();
    if (loads <= at) break;
    expect(read()).toBe(NOTHING);
  }
  expect([...seen].sort()).toEqual([NOTHING, WHOLE].sort());
});

test('a reader that looks at any point of the recycling reads the second whole or not at all', () => {
  const seen = new Set<string>();
  for (let at = 0; ; at += 1) {
    const { read, recycle } = setUp();
    const store = Atomics.store.bind(Atomics);
    let stores = 0;
    const spy = vi.spyOn(Atomics, 'store').mockImplementation(((
      words: Int32Array,
      index: number,
      value: number,
    ) => {
      stores += 1;
      if (stores === at + 1) seen.add(read());
      return store(words, index, value);
    }) as typeof Atomics.store);
    recycle();
    spy.mockRestore();
    expect(read()).toBe(NOTHING);
    if (stores <= at) break;
  }
  expect([...seen].sort()).toEqual([NOTHING, WHOLE].sort());
});
