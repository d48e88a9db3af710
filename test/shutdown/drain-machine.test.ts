import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DrainCause,
  type DrainEffect,
  type DrainEvent,
  type DrainPolicy,
  type DrainState,
  drainBudget,
  drainWakeAtMs,
  initialDrain,
  stepDrain,
} from '../../lib/lifecycle/drain-machine.js';

const SIGNAL: DrainCause = {
  reason: 'SIGTERM',
  exits: true,
  exitCode: 0,
  deadlineCode: 75,
  isFinal: false,
  isLeftToOthers: false,
};
const PAUSE: DrainCause = { ...SIGNAL, reason: 'drain()', exits: false, deadlineCode: 0 };
const POLICY: DrainPolicy = { gracePeriodMs: 30_000, lameDuckMs: 0, drain: true, hooksMs: 0 };

/** A machine with its effects so far, under a clock that the test moves. */
function machine(): {
  state(): DrainState;
  send(event: DrainEvent): readonly DrainEffect[];
  begin(cause?: Partial<DrainCause>, policy?: Partial<DrainPolicy>, active?: number, atMs?: number): void;
  /** Sends `time` whenever the machine wants it, up to `untilMs`. */
  run(untilMs: number): void;
  types(): string[];
  effects: DrainEffect[];
} {
  let state = initialDrain();
  const effects: DrainEffect[] = [];
  const send = (event: DrainEvent): readonly DrainEffect[] => {
    const result = stepDrain(state, event);
    state = result.state;
    effects.push(...result.effects);
    return result.effects;
  };
  return {
    state: () => state,
    send,
    begin(cause = {}, policy = {}, active = 0, atMs = 0) {
      send({
        type: 'begin',
        atMs,
        cause: { ...SIGNAL, ...cause },
        policy: { ...POLICY, ...policy },
        active,
      });
    },
    run(untilMs) {
      for (let turns = 0; turns < 50; turns += 1) {
        const atMs = drainWakeAtMs(state);
        if (atMs > untilMs) return;
        send({ type: 'time', atMs });
      }
      throw new Error(`the machine wants time events without end in phase ${state.phase}`);
    },
    types: () => effects.map(({ type }) => type),
    effects,
  };
}

describe('a drain', () => {
  it('announces, and refuses only when the probes say so', () => {
    const drain = machine();
    drain.begin({}, {}, 2);
    expect(drain.types()).toEqual(['announce']);
    drain.send({ type: 'active', atMs: 1, count: 0 });
    expect(drain.types()).toEqual(['announce']);
    drain.send({ type: 'active', atMs: 1, count: 2 });
    drain.send({ type: 'announced', atMs: 2 });
    expect(drain.types()).toEqual(['announce', 'refuse']);
    drain.send({ type: 'active', atMs: 900, count: 0 });
    expect(drain.effects.at(-1)).toEqual({ type: 'run-hooks', untilMs: 30_000 });
    drain.send({ type: 'hooks-ended', atMs: 950, isLate: false });
    expect(drain.effects.at(-1)).toEqual({ type: 'exit', code: 0, active: 0 });
    expect(drain.state().phase).toBe('stopped');
  });

  it('goes on without a probe thread that does not answer', () => {
    const drain = machine();
    drain.begin();
    drain.run(300);
    expect(drain.types()).toEqual(['announce', 'refuse', 'run-hooks']);
  });

  it('serves stragglers for lameDuckMs, even when nothing is in flight', () => {
    const drain = machine();
    drain.begin({}, { lameDuckMs: 5000 });
    drain.send({ type: 'announced', atMs: 2 });
    drain.send({ type: 'active', atMs: 2000, count: 0 });
    expect(drain.state().phase).toBe('lame-duck');
    drain.run(5000);
    expect(drain.types()).toEqual(['announce', 'refuse', 'run-hooks']);
  });

  it('ends what is in flight with an error before its time is over, and then exits with the deadline code', () => {
    const drain = machine();
    drain.begin({}, { gracePeriodMs: 2000 }, 3);
    drain.send({ type: 'announced', atMs: 2 });
    drain.run(1799);
    expect(drain.types()).toEqual(['announce', 'refuse']);
    drain.run(1800);
    expect(drain.effects.at(-1)).toEqual({ type: 'cut', active: 3 });
    drain.send({ type: 'active', atMs: 1810, count: 0 });
    drain.send({ type: 'hooks-ended', atMs: 1820, isLate: false });
    expect(drain.effects.at(-1)).toEqual({ type: 'exit', code: 75, active: 0 });
  });

  it('leaves the hooks their time, and at least half of it to the requests', () => {
    expect(drainBudget({ gracePeriodMs: 30_000, hooksMs: 10_000 })).toEqual({
      drainMs: 19_500,
      cutMs: 500,
      hooksMs: 10_000,
    });
    expect(drainBudget({ gracePeriodMs: 10_000, hooksMs: 60_000 })).toMatchObject({
      drainMs: 4500,
      hooksMs: 5000,
    });
  });

  it('exits with the deadline code when a hook ran out of time, and at the end of the grace period whatever hangs', () => {
    const late = machine();
    late.begin();
    late.run(300);
    late.send({ type: 'hooks-ended', atMs: 400, isLate: true });
    expect(late.effects.at(-1)).toMatchObject({ type: 'exit', code: 75 });
    const hanging = machine();
    hanging.begin();
    hanging.run(30_000);
    expect(hanging.effects.at(-1)).toMatchObject({ type: 'exit', code: 75 });
  });

  it('with drain: false ends requests as soon as new ones are refused, and that is no failure', () => {
    const drain = machine();
    drain.begin({}, { drain: false }, 3);
    drain.send({ type: 'announced', atMs: 2 });
    expect(drain.types()).toEqual(['announce', 'refuse', 'cut']);
    drain.send({ type: 'active', atMs: 30, count: 0 });
    drain.send({ type: 'hooks-ended', atMs: 40, isLate: false });
    expect(drain.effects.at(-1)).toMatchObject({ type: 'exit', code: 0 });
  });
});

describe('signals', () => {
  it('that repeat the first within 200 ms are one', () => {
    const drain = machine();
    drain.begin({}, {}, 5);
    drain.send({ type: 'announced', atMs: 2 });
    for (const atMs of [3, 50, 199]) drain.send({ type: 'signal', atMs });
    expect(drain.types()).toEqual(['announce', 'refuse']);
  });

  it('hurry the second time and exit the third', () => {
    const drain = machine();
    drain.begin({}, {}, 5);
    drain.send({ type: 'announced', atMs: 2 });
    drain.send({ type: 'signal', atMs: 1000 });
    expect(drain.effects.at(-1)).toEqual({ type: 'cut', active: 5 });
    drain.send({ type: 'signal', atMs: 1300 });
    expect(drain.effects.at(-1)).toEqual({ type: 'exit', code: 75, active: 5 });
  });

  it('in the lame duck go straight to the end, and hurry the hooks', () => {
    const drain = machine();
    drain.begin({}, { lameDuckMs: 10_000 });
    drain.send({ type: 'announced', atMs: 2 });
    drain.send({ type: 'signal', atMs: 1000 });
    expect(drain.types()).toEqual(['announce', 'refuse', 'run-hooks']);
    expect(drain.effects.at(-1)).toEqual({ type: 'run-hooks', untilMs: 2000 });
    const hooks = machine();
    hooks.begin();
    hooks.send({ type: 'announced', atMs: 2 });
    hooks.send({ type: 'signal', atMs: 500 });
    expect(hooks.effects.at(-1)).toEqual({ type: 'hurry-hooks', untilMs: 1500 });
  });

  it('on an application that handles them too only watch its time', () => {
    const drain = machine();
    drain.begin({ isLeftToOthers: true }, { gracePeriodMs: 1000 });
    drain.send({ type: 'announced', atMs: 2 });
    drain.run(899);
    expect(drain.types()).toEqual(['announce', 'refuse']);
    drain.run(1000);
    expect(drain.state().phase).not.toBe('draining');
  });
});

describe('a pause', () => {
  it('has no end of its own, and resume takes it back', () => {
    const drain = machine();
    drain.begin(PAUSE, { gracePeriodMs: Number.POSITIVE_INFINITY }, 4);
    drain.send({ type: 'announced', atMs: 2 });
    drain.send({ type: 'active', atMs: 100, count: 0 });
    drain.run(1e9);
    expect(drain.types()).toEqual(['announce', 'refuse']);
    drain.send({ type: 'resume', atMs: 200 });
    expect(drain.state()).toEqual(initialDrain());
    expect(drain.types()).toEqual(['announce', 'refuse', 'serve-again']);
  });

  it('with a deadline ends what is in flight then, once', () => {
    const drain = machine();
    drain.begin(PAUSE, { gracePeriodMs: 1000 }, 4);
    drain.run(1e9);
    expect(drain.types()).toEqual(['announce', 'refuse', 'cut']);
  });

  it('becomes an exit with a signal, whose time begins then', () => {
    const drain = machine();
    drain.begin(PAUSE, { gracePeriodMs: Number.POSITIVE_INFINITY }, 4);
    drain.send({ type: 'announced', atMs: 2 });
    drain.begin({}, {}, 4, 5000);
    expect(drain.types()).toEqual(['announce', 'refuse', 'announce']);
    expect(drain.state().exitAtMs).toBe(35_000);
    drain.send({ type: 'active', atMs: 5100, count: 0 });
    expect(drain.types().at(-1)).toBe('run-hooks');
  });
});

it('a failure during a drain decides the exit code; a signal after a failure does not', () => {
  for (const order of ['signal first', 'failure first']) {
    const drain = machine();
    const failure = { reason: 'engine failure', exitCode: 1, deadlineCode: 1 };
    drain.begin(order === 'signal first' ? {} : failure);
    drain.send({ type: 'announced', atMs: 1 });
    drain.begin(order === 'signal first' ? failure : {}, {}, 0, 2);
    drain.send({ type: 'hooks-ended', atMs: 3, isLate: false });
    expect(drain.effects.at(-1)).toMatchObject({ type: 'exit', code: 1 });
  }
});

describe('whatever happens', () => {
  const ORDER = ['serving', 'announced', 'lame-duck', 'draining', 'fencing', 'stopped'];
  const cause = fc.record({
    reason: fc.constant('x'),
    exits: fc.boolean(),
    exitCode: fc.constantFrom(0, 1),
    deadlineCode: fc.constantFrom(75, 1),
    isFinal: fc.boolean(),
    isLeftToOthers: fc.boolean(),
  });
  const policy = fc.record({
    gracePeriodMs: fc.integer({ min: 0, max: 5000 }),
    lameDuckMs: fc.integer({ min: 0, max: 6000 }),
    drain: fc.boolean(),
    hooksMs: fc.integer({ min: 0, max: 9000 }),
  });
  const count = fc.integer({ min: 0, max: 3 });
  type Plan =
    | {
        readonly type: 'begin';
        readonly cause: DrainCause;
        readonly policy: DrainPolicy;
        readonly active: number;
      }
    | { readonly type: 'active'; readonly count: number }
    | { readonly type: 'hooks-ended'; readonly isLate: boolean }
    | { readonly type: 'signal' | 'announced' | 'resume' | 'time' };
  const event: fc.Arbitrary<Plan> = fc.oneof(
    fc.record({ type: fc.constant('begin' as const), cause, policy, active: count }),
    fc.record({ type: fc.constant('active' as const), count }),
    fc.record({ type: fc.constant('hooks-ended' as const), isLate: fc.boolean() }),
    fc.record({
      type: fc.constantFrom('signal' as const, 'announced' as const, 'resume' as const, 'time' as const),
    }),
  );
  const schedule = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 700 })), { maxLength: 40 });

  it('phases come in their order, refusal strictly after the announcement, one exit, and nothing after it', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const drain = machine();
        let atMs = 0;
        let isRefusing = false;
        for (const [planned, pauseMs] of events) {
          atMs += pauseMs;
          const before = drain.state();
          const effects = drain.send({ ...planned, atMs } as DrainEvent);
          const after = drain.state();
          const types = effects.map(({ type }) => type);
          if (planned.type === 'resume') {
            if (types.includes('serve-again')) {
              isRefusing = false;
              expect(after).toEqual(initialDrain());
            }
          } else expect(ORDER.indexOf(after.phase)).toBeGreaterThanOrEqual(ORDER.indexOf(before.phase));
          if (types.includes('refuse')) {
            expect(before.phase === 'announced' || before.phase === 'lame-duck').toBe(true);
            isRefusing = true;
          }
          if (types.includes('cut') || types.includes('run-hooks')) expect(isRefusing).toBe(true);
          if (before.phase === 'stopped') expect(effects).toEqual([]);
        }
        expect(drain.types().filter((type) => type === 'exit').length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 3000 },
    );
  });

  it('an exit comes within the grace period, with 0 only if nothing was cut short', () => {
    fc.assert(
      fc.property(policy, count, schedule, (budget, active, events) => {
        const drain = machine();
        drain.begin({ isLeftToOthers: false }, budget, active);
        let atMs = 0;
        for (const [planned, pauseMs] of events) {
          if (planned.type === 'resume' || planned.type === 'begin') continue;
          drain.run(atMs + pauseMs);
          atMs += pauseMs;
          drain.send({ ...planned, atMs } as DrainEvent);
        }
        drain.run(budget.gracePeriodMs);
        const exit = drain.effects.find((effect) => effect.type === 'exit');
        expect(exit).toBeDefined();
        if (exit?.type === 'exit' && exit.code === 0) {
          if (budget.drain) expect(drain.types()).not.toContain('cut');
          if (budget.drain) expect(exit.active).toBe(0);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
