import { describe, expect, it } from 'vitest';
import {
  type Arrival,
  createPoolAdmission,
  DEFAULT_CLASSES,
  type PoolAdmissionEffect,
  type PoolRoom,
} from '../../../lib/fleet/admission/admission.js';

const ROOM: PoolRoom = { hasRoom: true, tokensPerSecond: 1000, prefill: { tokensPerSecond: 0, baseMs: 0 } };
const FULL: PoolRoom = { ...ROOM, hasRoom: false };

const arrival = (id: number, more: Partial<Arrival> = {}): Arrival => ({
  atMs: 0,
  id,
  tenant: 'a',
  priority: 'default',
  promptTokens: 100,
  cachedTokens: 0,
  expectedTokens: 100,
  bytes: 10,
  deadlineMs: Number.POSITIVE_INFINITY,
  random: 0,
  ...more,
});
const said = (effects: readonly PoolAdmissionEffect[]) =>
  effects.map((effect) => `${effect.type === 'admit' ? 'admit' : effect.reason} ${effect.id}`);
const small = (changes: object) => DEFAULT_CLASSES.map((each) => ({ ...each, ...changes }));

describe('admission to a pool', () => {
  it('admits everything at once while nothing is set', () => {
    const admission = createPoolAdmission();
    for (let id = 0; id < 1000; id += 1)
      expect(said(admission.arrive(arrival(id), ROOM))).toEqual([`admit ${id}`]);
    expect(admission.inFlight).toBe(1000);
  });

  it('lets requests wait for room, in order, and serves them when it is there', () => {
    const admission = createPoolAdmission({ maxConcurrent: 1 });
    admission.arrive(arrival(1), ROOM);
    expect(admission.arrive(arrival(2), ROOM)).toEqual([]);
    expect(admission.release(1, 40, ROOM)).toEqual([{ type: 'admit', id: 2, waitedMs: 40 }]);
    expect(said(admission.arrive(arrival(3), FULL))).toEqual([]);
    expect(said(admission.release(2, 50, FULL))).toEqual([]);
    expect(said(admission.tick(60, ROOM))).toEqual(['admit 3']);
  });

  it('refuses what the queue has no place for, by count and by bytes', () => {
    const admission = createPoolAdmission({ classes: small({ maxQueue: 2 }), maxQueueBytes: 50 });
    expect(said(admission.arrive(arrival(1, { bytes: 900 }), FULL))).toEqual([]);
    expect(said(admission.arrive(arrival(2), FULL))).toEqual(['queue_bytes 2']);
    admission.abandon(1, 0, FULL);
    expect(said([3, 4, 5].flatMap((id) => admission.arrive(arrival(id), FULL)))).toEqual(['queue_full 5']);
    expect([admission.queued, admission.queuedBytes]).toEqual([2, 20]);
  });

  it('rejects who has waited for the whole time of its class, or beyond its deadline', () => {
    const admission = createPoolAdmission();
    admission.arrive(arrival(1), FULL);
    admission.arrive(arrival(2, { deadlineMs: 500 }), FULL);
    expect(admission.nextTimerMs()).toBe(500);
    expect(said(admission.tick(499, FULL))).toEqual([]);
    expect(said(admission.tick(500, ROOM))).toEqual(['deadline 2', 'admit 1']);
    expect(said(admission.arrive(arrival(3, { atMs: 600, deadlineMs: 600 }), ROOM))).toEqual(['deadline 3']);
    admission.arrive(arrival(4, { atMs: 700 }), FULL);
    expect(said(admission.tick(60_700, FULL))).toEqual(['queue_timeout 4']);
    expect(admission.nextTimerMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it('serves classes in their order, and an unknown one as default', () => {
    const admission = createPoolAdmission();
    const names = ['bulk', 'unheard-of', 'interactive', 'default'];
    for (const [id, priority] of names.entries()) admission.arrive(arrival(id, { priority }), FULL);
    expect(said(admission.tick(1, ROOM))).toEqual(['admit 2', 'admit 1', 'admit 3', 'admit 0']);
  });

  it('promotes who has waited too long, but only one in four', () => {
    const admission = createPoolAdmission({ maxConcurrent: 1 });
    admission.arrive(arrival(0), ROOM);
    for (let id = 1; id <= 3; id += 1) admission.arrive(arrival(id, { priority: 'bulk' }), ROOM);
    for (let id = 11; id <= 20; id += 1)
      admission.arrive(arrival(id, { atMs: 119_000, priority: 'interactive' }), ROOM);
    const order: number[] = [];
    for (let last = 0; order.length < 9; ) {
      const [effect] = admission.release(last, 120_000, ROOM);
      last = effect!.id;
      order.push(last);
    }
    expect(order).toEqual([1, 11, 12, 13, 2, 14, 15, 16, 3]);
  });

  it('keeps reserved tokens free for their class, whoever waits in front', () => {
    const classes = DEFAULT_CLASSES.map((each) => ({
      ...each,
      reservedTokens: each.name === 'interactive' ? 400 : 0,
    }));
    const admission = createPoolAdmission({ classes, maxTokens: 1000 });
    const bulk = (id: number) => arrival(id, { priority: 'bulk' });
    expect(said([1, 2, 3, 4].flatMap((id) => admission.arrive(bulk(id), ROOM)))).toEqual([
      'admit 1',
      'admit 2',
      'admit 3',
    ]);
    // 4 is due to be promoted, and has no room: that does not close the reserve.
    const later = { atMs: 130_000, priority: 'interactive' };
    expect(said([5, 6, 7].flatMap((id) => admission.arrive(arrival(id, later), ROOM)))).toEqual([
      'admit 5',
      'admit 6',
    ]);
    expect(said(admission.release(5, 130_001, ROOM))).toEqual(['admit 7']);
  });

  it('serves one request alone whatever its size', () => {
    const admission = createPoolAdmission({ maxTokens: 50 });
    expect(said(admission.arrive(arrival(1), ROOM))).toEqual(['admit 1']);
  });

  it('admits no more in one step than the workers have room for', () => {
    const admission = createPoolAdmission();
    for (let id = 1; id <= 5; id += 1) admission.arrive(arrival(id), FULL);
    expect(said(admission.tick(1, { ...ROOM, roomTokens: 450 }))).toEqual(['admit 1', 'admit 2']);
    expect(said(admission.tick(2, { ...ROOM, roomTokens: 1 }))).toEqual(['admit 3']);
  });

  it('counts what is generated beyond what was expected', () => {
    const admission = createPoolAdmission();
    admission.arrive(arrival(1, { cachedTokens: 60 }), ROOM);
    expect(admission.inFlightTokens).toBe(140);
    admission.progress(1, 100);
    expect(admission.inFlightTokens).toBe(140);
    admission.progress(1, 5);
    expect(admission.inFlightTokens).toBe(145);
    admission.release(1, 1, ROOM);
    admission.release(1, 1, ROOM);
    expect([admission.inFlight, admission.inFlightTokens]).toEqual([0, 0]);
  });

  it('sheds who waited too long while the queue stays full, and serves the newest', () => {
    const admission = createPoolAdmission({ maxConcurrent: 1, codel: {} });
    admission.arrive(arrival(0), ROOM);
    for (let id = 1; id < 12; id += 1) admission.arrive(arrival(id, { atMs: id }), ROOM);
    let last = 0;
    // In the interval that ends at 2490 one did not wait at all, in the next one all did.
    for (let n = 1; n <= 8; n += 1) last = admission.release(last, 500 * n - 10, ROOM)[0]!.id;
    expect(last).toBe(8);
    admission.arrive(arrival(20, { atMs: 4480 }), ROOM);
    admission.arrive(arrival(21, { atMs: 4481 }), ROOM);
    expect(said(admission.release(last, 4600, ROOM))).toEqual([
      'admit 21',
      'overload 9',
      'overload 10',
      'overload 11',
    ]);
  });

  it('sheds nobody for whom there is room now', () => {
    const admission = createPoolAdmission({ codel: {} });
    for (let id = 1; id < 6; id += 1) admission.arrive(arrival(id), FULL);
    expect(said(admission.tick(5000, ROOM)).every((each) => each.startsWith('admit'))).toBe(true);
  });

  it('serves whom a larger one held up that is shed', () => {
    const admission = createPoolAdmission({
      classes: small({ promoteAfterMs: 100 }),
      maxTokens: 1000,
      codel: {},
    });
    admission.arrive(arrival(0, { promptTokens: 600 }), ROOM);
    admission.arrive(arrival(1, { atMs: 1, promptTokens: 800 }), FULL);
    admission.arrive(arrival(2, { atMs: 2 }), FULL);
    admission.tick(2500, FULL);
    expect(said(admission.tick(5000, ROOM))).toEqual(['overload 1', 'admit 2']);
  });

  it('refuses at once what cannot have its first token in time', () => {
    const room: PoolRoom = { ...ROOM, prefill: { tokensPerSecond: 1000, baseMs: 50 } };
    const admission = createPoolAdmission({ feasibility: true });
    const within = (id: number, deadlineMs: number) => admission.arrive(arrival(id, { deadlineMs }), room);
    expect(said(within(1, 149))).toEqual(['infeasible 1']);
    expect(said(within(2, 151))).toEqual(['admit 2']);
    expect(said(within(3, 249))).toEqual(['infeasible 3']);
    // The first token says that the prefill ahead is done.
    admission.progress(2, 1);
    expect(said(within(4, 151))).toEqual(['admit 4']);
    expect(said(admission.arrive(arrival(5), room))).toEqual(['admit 5']);
  });

  it('does not call a light tenant late because of what another lets wait', () => {
    const room: PoolRoom = { ...FULL, prefill: { tokensPerSecond: 1000, baseMs: 0 } };
    const admission = createPoolAdmission({ feasibility: true });
    for (let id = 1; id <= 50; id += 1) admission.arrive(arrival(id), room);
    expect(said(admission.arrive(arrival(60, { deadlineMs: 1000 }), room))).toEqual(['infeasible 60']);
    expect(said(admission.arrive(arrival(61, { tenant: 'b', deadlineMs: 1000 }), room))).toEqual([]);
  });

  it('follows the wait in the workers once a second', () => {
    const admission = createPoolAdmission({ adaptive: { initialTokens: 10_000 } });
    admission.arrive(arrival(1, { promptTokens: 9000 }), ROOM);
    expect(admission.nextTimerMs()).toBe(1000);
    admission.scheduled(1, 1000);
    admission.tick(999, ROOM);
    expect(admission.limitTokens).toBe(10_000);
    admission.tick(1000, ROOM);
    expect(admission.limitTokens).toBeCloseTo(9500);
    admission.tick(2000, ROOM);
    expect(admission.limitTokens).toBeCloseTo(9500);
  });

  it('spreads what it tells those that it rejects together', () => {
    const admission = createPoolAdmission({ maxTokens: 1000 });
    for (let id = 1; id <= 100; id += 1)
      admission.arrive(arrival(id, { deadlineMs: 10, random: id / 100 }), { ...FULL, tokensPerSecond: 500 });
    const told = admission.tick(10, { ...FULL, tokensPerSecond: 100 }).map((effect) => {
      return effect.type === 'reject' ? effect.retryAfterSeconds : 0;
    });
    expect(new Set(told).size).toBeGreaterThan(2);
  });
});
