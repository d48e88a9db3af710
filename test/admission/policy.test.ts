import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AdmissionEffect,
  type AdmissionEvent,
  type AdmissionLimits,
  type AdmissionState,
  NO_LIMITS,
  openAdmission,
  retryAfterSeconds,
  stepAdmission,
  wakeAtMs,
} from '../../lib/admission/policy.js';

const arrival = (
  id: number,
  atMs: number,
  { deadlineAtMs = Infinity, bytes = 0, random = 0 }: Partial<AdmissionEvent & { type: 'arrive' }> = {},
): AdmissionEvent => ({ type: 'arrive', id, atMs, bytes, deadlineAtMs, random });

function run(limits: Partial<AdmissionLimits>, events: readonly AdmissionEvent[]) {
  let state = openAdmission({ ...NO_LIMITS, ...limits });
  const effects: AdmissionEffect[] = [];
  for (const event of events) {
    const next = stepAdmission(state, event);
    state = next.state;
    effects.push(...next.effects);
  }
  const texts = effects.map((effect) =>
    effect.type === 'admit'
      ? `admit ${effect.id} after ${effect.waitedMs}`
      : `reject ${effect.id} ${effect.reason}`,
  );
  return { state, effects, texts };
}

describe('admission', () => {
  test('without limits takes everybody at once', () => {
    const { texts, state } = run(
      {},
      Array.from({ length: 3 }, (_, id) => arrival(id, id)),
    );
    expect(texts).toEqual(['admit 0 after 0', 'admit 1 after 0', 'admit 2 after 0']);
    expect(state.admitted).toBe(3);
  });

  test('lets wait whom there is no place for, and takes them in the order in which they came', () => {
    const { texts } = run({ maxConcurrent: 1, maxQueue: 2 }, [
      arrival(1, 0),
      arrival(2, 10),
      arrival(3, 20),
      arrival(4, 30),
      { type: 'release', atMs: 100, admittedAtMs: 0 },
      { type: 'release', atMs: 150, admittedAtMs: 100 },
    ]);
    expect(texts).toEqual([
      'admit 1 after 0',
      'reject 4 queue_full',
      'admit 2 after 90',
      'admit 3 after 130',
    ]);
  });

  test('refuses who has waited too long, by the queue or by a deadline of its own', () => {
    const { texts, state } = run({ maxConcurrent: 1, maxQueue: 5, queueTimeoutMs: 100 }, [
      arrival(1, 0),
      arrival(2, 0),
      arrival(3, 0, { deadlineAtMs: 50 }),
      { type: 'time', atMs: 49 },
      { type: 'time', atMs: 50 },
      { type: 'time', atMs: 99 },
      { type: 'time', atMs: 100 },
    ]);
    expect(texts).toEqual(['admit 1 after 0', 'reject 3 deadline', 'reject 2 queue_timeout']);
    expect(wakeAtMs(state)).toBe(Infinity);
  });

  test('never gives a place that becomes free to a request that is too late for it', () => {
    const { texts } = run({ maxConcurrent: 1, maxQueue: 5, queueTimeoutMs: 100 }, [
      arrival(1, 0),
      arrival(2, 0),
      arrival(3, 60),
      { type: 'release', atMs: 120, admittedAtMs: 0 },
    ]);
    expect(texts).toEqual(['admit 1 after 0', 'reject 2 queue_timeout', 'admit 3 after 60']);
    expect(run({}, [arrival(1, 10, { deadlineAtMs: 10 })]).texts).toEqual(['reject 1 deadline']);
  });

  test('bounds the bytes that wait, but lets one large request wait alone', () => {
    const limits = { maxConcurrent: 1, maxQueue: 10, maxQueueBytes: 100 };
    const { texts, state } = run(limits, [
      arrival(1, 0),
      arrival(2, 0, { bytes: 60 }),
      arrival(3, 0, { bytes: 60 }),
      arrival(4, 0, { bytes: 40 }),
    ]);
    expect(texts).toEqual(['admit 1 after 0', 'reject 3 queue_bytes']);
    expect(state.queuedBytes).toBe(100);
    expect(run(limits, [arrival(1, 0), arrival(2, 0, { bytes: 500 })]).texts).toEqual(['admit 1 after 0']);
  });

  test('forgets who left the queue', () => {
    const { texts, state } = run({ maxConcurrent: 1, maxQueue: 5 }, [
      arrival(1, 0),
      arrival(2, 0, { bytes: 10 }),
      arrival(3, 0),
      { type: 'abandon', atMs: 5, id: 2 },
      { type: 'abandon', atMs: 5, id: 99 },
      { type: 'release', atMs: 10, admittedAtMs: 0 },
    ]);
    expect(texts).toEqual(['admit 1 after 0', 'admit 3 after 10']);
    expect(state.queuedBytes).toBe(0);
  });

  test('while shut refuses whoever comes and whoever waits, and opens again', () => {
    const { texts, state } = run({ maxConcurrent: 1, maxQueue: 5 }, [
      arrival(1, 0),
      arrival(2, 0),
      { type: 'shut', atMs: 1 },
      arrival(3, 2),
      { type: 'release', atMs: 3, admittedAtMs: 0 },
      { type: 'open', atMs: 4 },
      arrival(4, 5),
    ]);
    expect(texts).toEqual(['admit 1 after 0', 'reject 2 draining', 'reject 3 draining', 'admit 4 after 0']);
    expect(state.admitted).toBe(1);
  });
});

describe('Retry-After', () => {
  const full = (queue: number, serviceMs: number | null, busySinceMs = 0): AdmissionState => ({
    ...openAdmission({ ...NO_LIMITS, maxConcurrent: 4, maxQueue: queue }),
    admitted: 4,
    busySinceMs,
    serviceMs,
    queue: Array.from({ length: queue }, (_, id) => ({
      id,
      bytes: 0,
      sinceMs: 0,
      untilMs: Infinity,
      isDeadline: false,
    })),
  });

  test('is what waits by the rate at which all places together serve', () => {
    // 20 requests, each 2 s, 4 at a time: 10 s.
    expect(retryAfterSeconds(full(19, 2000), 0, 0)).toBe(10);
    expect(retryAfterSeconds(full(19, 4000), 0, 0)).toBe(20);
    expect(retryAfterSeconds(full(0, 2000), 0, 0)).toBe(1);
  });

  test('is spread by up to a fifth', () => {
    expect(retryAfterSeconds(full(19, 2000), 0, 1)).toBe(12);
  });

  test('is at least a second and at most a minute', () => {
    expect(retryAfterSeconds(full(0, 1), 0, 1)).toBe(1);
    expect(retryAfterSeconds(full(1000, 60_000), 0, 1)).toBe(60);
  });

  test('before the first request has ended goes by how long the present ones have taken', () => {
    expect(retryAfterSeconds(full(7, null, 1000), 6000, 0)).toBe(10);
  });

  test('follows the service times that were observed, the latest above all', () => {
    const events: AdmissionEvent[] = [];
    for (let id = 0; id < 50; id += 1) {
      events.push(arrival(id, id * 10_000));
      events.push({
        type: 'release',
        atMs: id * 10_000 + (id < 25 ? 1000 : 5000),
        admittedAtMs: id * 10_000,
      });
    }
    const { state } = run({ maxConcurrent: 1, maxQueue: 0 }, events);
    expect(state.serviceMs).toBeGreaterThan(4900);
  });
});

describe('in every order of events', () => {
  const event = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('arrive' as const),
        deadlineMs: fc.nat(400),
        bytes: fc.nat(50),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(100) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('abandon' as const), which: fc.nat(100) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom('time' as const, 'shut' as const, 'open' as const) }),
    },
  );
  const limits = fc.record({
    maxConcurrent: fc.integer({ min: 1, max: 4 }),
    maxQueue: fc.nat(5),
    queueTimeoutMs: fc.integer({ min: 1, max: 300 }),
    maxQueueBytes: fc.constantFrom(80, Infinity),
  });

  test('gauges count live permits, nobody is admitted too late or before their turn, and room is never left unused', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.tuple(fc.nat(60), event), { maxLength: 80 }), (given, list) => {
        let state = openAdmission(given);
        let atMs = 0;
        let lastId = 0;
        const waiting = new Map<number, number>();
        const running = new Map<number, number>();
        let lastAdmitted = 0;

        function apply(next: AdmissionEvent): void {
          const before = state;
          const result = stepAdmission(state, next);
          state = result.state;
          for (const effect of result.effects) {
            const untilMs = waiting.get(effect.id);
            // Exactly one answer to everybody who asked.
            expect(untilMs).toBeDefined();
            waiting.delete(effect.id);
            if (effect.type === 'admit') {
              expect(effect.id).toBeGreaterThan(lastAdmitted);
              lastAdmitted = effect.id;
              expect(untilMs).toBeGreaterThan(atMs);
              expect(state.isOpen).toBe(true);
              running.set(effect.id, atMs);
              continue;
            }
            expect(effect.retryAfterSeconds).toBeGreaterThanOrEqual(1);
            expect(effect.retryAfterSeconds).toBeLessThanOrEqual(60);
            if (effect.reason === 'queue_full') expect(before.admitted).toBe(given.maxConcurrent);
            if (effect.reason === 'draining') expect(state.isOpen).toBe(false);
          }
          expect(state.admitted).toBe(running.size);
          expect(state.queue.map(({ id }) => id)).toEqual([...waiting.keys()]);
          expect(state.admitted).toBeLessThanOrEqual(given.maxConcurrent);
          expect(state.queue.length).toBeLessThanOrEqual(given.maxQueue);
          if (state.queue.length > 1) expect(state.queuedBytes).toBeLessThanOrEqual(given.maxQueueBytes);
          expect(state.queuedBytes).toBe(state.queue.reduce((sum, { bytes }) => sum + bytes, 0));
          // Nobody waits while there is room.
          if (state.queue.length > 0) expect(state.admitted).toBe(given.maxConcurrent);
          expect(wakeAtMs(state)).toBe(Math.min(...state.queue.map(({ untilMs }) => untilMs)));
        }

        for (const [passedMs, what] of list) {
          atMs += passedMs;
          if (what.kind === 'arrive') {
            lastId += 1;
            const deadlineAtMs = what.deadlineMs > 300 ? Infinity : atMs + what.deadlineMs;
            waiting.set(lastId, Math.min(deadlineAtMs, atMs + given.queueTimeoutMs));
            apply(arrival(lastId, atMs, { deadlineAtMs, bytes: what.bytes }));
          } else if (what.kind === 'release') {
            const [id, admittedAtMs] = [...running][what.which % Math.max(1, running.size)] ?? [];
            if (id === undefined || admittedAtMs === undefined) continue;
            running.delete(id);
            apply({ type: 'release', atMs, admittedAtMs });
          } else if (what.kind === 'abandon') {
            const id = [...waiting.keys()][what.which % Math.max(1, waiting.size)];
            // Whose time is over is told so first; it can no longer leave.
            if (id === undefined || (waiting.get(id) ?? 0) <= atMs) continue;
            waiting.delete(id);
            apply({ type: 'abandon', atMs, id });
          } else apply({ type: what.kind, atMs });
        }
        // At rest everything is back.
        for (const admittedAtMs of [...running.values()]) {
          running.delete([...running.keys()][0]!);
          apply({ type: 'release', atMs, admittedAtMs });
        }
        atMs += 1000;
        apply({ type: 'time', atMs });
        while (running.size > 0) {
          running.delete([...running.keys()][0]!);
          apply({ type: 'release', atMs, admittedAtMs: atMs });
        }
        expect([state.admitted, state.queue.length, state.queuedBytes]).toEqual([0, 0, 0]);
      }),
      { numRuns: 1000 },
    );
  });
});
