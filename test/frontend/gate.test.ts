import { expect, it } from 'vitest';
import type { PoolAdmissionOptions } from '../../lib/fleet/admission/types.js';
import { createGate } from '../../lib/frontend/gate.js';

const SPEED = {
  tokensPerSecond: 0,
  prefill: { tokensPerSecond: 0, ownTokensPerSecond: 0, baseMs: 0 },
  interTokenMs: Number.NaN,
};

function withGate(options: PoolAdmissionOptions, busy: Set<string>) {
  const gate = createGate(options, {
    now: () => 0,
    random: () => 0,
    isKnown: (model) => ['a', 'b'].includes(model),
    room: (model) => ({
      hasRoom: !busy.has(model ?? ''),
      roomTokens: Number.POSITIVE_INFINITY,
    }),
    speed: () => SPEED,
  });
  const told: string[] = [];
  const enter = (model: string | null, name: string, bytes = 1) =>
    gate.enter(
      {
        ...{ model, promptTokens: 1, expectedTokens: 1, bytes, priority: 'default', tenant: '' },
        deadlineMs: Number.POSITIVE_INFINITY,
      },
      { admit: () => told.push(`${name} runs`), reject: (reason) => told.push(`${name} ${reason}`) },
    );
  return { gate, told, enter };
}

it('lets nobody wait for another model than the own', () => {
  const busy = new Set(['a']);
  const { gate, told, enter } = withGate({}, busy);
  enter('a', 'first');
  enter('b', 'second');
  expect([told, gate.queued]).toEqual([['second runs'], 1]);
  busy.clear();
  gate.tick();
  expect([told, gate.queued]).toEqual([['second runs', 'first runs'], 0]);
});

it('counts limits for each model by itself', () => {
  const { gate, told, enter } = withGate({ maxConcurrent: 1, maxTokens: 100 }, new Set());
  expect(gate.limitTokens).toBe(100);
  const first = enter('a', 'first');
  enter('a', 'second');
  enter('b', 'third');
  expect([told, gate.queued]).toEqual([['first runs', 'third runs'], 1]);
  expect([gate.limitTokens, gate.inFlightTokens]).toEqual([200, 4]);
  first.leave();
  expect(told.at(-1)).toBe('second runs');
});

it('has one bound for the bytes of all that wait', () => {
  const busy = new Set(['a', 'b']);
  const { told, enter } = withGate({ maxQueueBytes: 100 }, busy);
  const large = enter('a', 'large', 90);
  enter('b', 'too much', 20);
  enter('b', 'small', 10);
  expect(told).toEqual(['too much queue_bytes']);
  large.leave();
  enter('b', 'fits now', 20);
  expect(told).toEqual(['too much queue_bytes']);
});

it('has one lane for all names that no worker has, however many clients make up', () => {
  const { gate, told, enter } = withGate({ maxConcurrent: 1, maxTokens: 100 }, new Set());
  for (let i = 0; i < 100; i += 1) enter(`made up ${i}`, `${i}`);
  enter(null, 'none');
  expect([told, gate.queued, gate.limitTokens]).toEqual([['0 runs'], 100, 100]);
});
