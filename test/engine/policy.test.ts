import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ENGINE_POLICY, decodeBudgetMs } from '../../lib/engine/policy.js';
import { RHYTHM_BUCKETS, readRhythm, recordGap } from '../../lib/engine/policy-rhythm.js';
import { virtualEngine, WATCH } from './look.js';

const FAST = { samples: 1000, p99Ms: 40, longestMs: 100 };

describe('the rhythm of an engine', () => {
  const rhythmOf = (gaps: readonly number[]) => {
    const buckets = new Int32Array(RHYTHM_BUCKETS);
    for (const gap of gaps) recordGap(buckets, gap);
    return readRhythm(buckets);
  };

  it('is within 41 % above the gap that 99 of 100 do not exceed, and above the longest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 700_000, noNaN: true }), { minLength: 1, maxLength: 500 }),
        (gaps) => {
          const { samples, p99Ms, longestMs } = rhythmOf(gaps);
          const sorted = gaps.toSorted((a, b) => a - b);
          const exact = sorted[Math.ceil(0.99 * gaps.length) - 1]!;
          expect(samples).toBe(gaps.length);
          expect(p99Ms).toBeGreaterThanOrEqual(exact * 0.999);
          expect(p99Ms).toBeLessThanOrEqual(exact * 1.4143);
          expect(longestMs).toBeGreaterThanOrEqual(sorted.at(-1)! * 0.999);
        },
      ),
    );
  });

  it('forgets what has not happened for some thousand tokens', () => {
    const buckets = new Int32Array(RHYTHM_BUCKETS);
    recordGap(buckets, 30_000);
    for (let count = 0; count < 5000; count += 1) recordGap(buckets, 20);
    expect(readRhythm(buckets).longestMs).toBeLessThan(30);
  });

  it('decides how long a pause between two tokens may be, between floor and ceiling', () => {
    const budget = (rhythm: typeof FAST) => decodeBudgetMs(DEFAULT_ENGINE_POLICY, rhythm);
    expect(budget(FAST)).toBe(10_000);
    expect(budget({ samples: 1000, p99Ms: 4000, longestMs: 5000 })).toBe(24_000);
    expect(budget({ samples: 1000, p99Ms: 100, longestMs: 30_000 })).toBe(45_000);
    expect(budget({ samples: 1000, p99Ms: 60_000, longestMs: 60_000 })).toBe(120_000);
    // Not enough seen: nothing is presumed.
    expect(budget({ samples: 5, p99Ms: 10, longestMs: 10 })).toBe(120_000);
  });
});

describe('the progress watchdog', () => {
  it('is silent while nothing is in flight, however long', () => {
    const engine = virtualEngine();
    engine.run(3_600_000);
    expect(engine.finding()).toBeNull();
  });

  it('finds a pause between tokens that is long for this engine, and is over with the next token', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 4, rhythm: FAST, progress: 1 });
    expect(engine.untilFound(60_000)).toBeLessThanOrEqual(11_000);
    expect(engine.finding()).toMatchObject({
      code: 'inference_engine.stalled',
      cause: 'decode',
      isFinal: false,
      isNotLive: false,
    });
    engine.facts.progress = 2;
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('gives a request without a token the whole prefill budget, also beside others that stream', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 4, prefilling: 1, rhythm: FAST });
    expect(engine.untilFound(300_000)).toBeGreaterThanOrEqual(120_000);
    expect(engine.finding()).toMatchObject({ cause: 'prefill' });
  });

  it('calls a stall final, and the process not live, after liveStallMs more', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 1, rhythm: FAST });
    engine.untilFound(60_000);
    const sinceMs = engine.finding()!.sinceMs;
    const more = engine.untilFound(120_000, () => engine.finding()!.isFinal);
    expect(more).toBeGreaterThanOrEqual(59_000);
    expect(more).toBeLessThanOrEqual(61_000);
    expect(engine.finding()).toMatchObject({ isNotLive: true, sinceMs });
  });

  it('does not count time in which the main thread was blocked, by GC, a debugger or synchronous work', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 1, rhythm: FAST });
    let busyMs = 0;
    engine.run(600_000, () => {
      busyMs += 500;
      engine.facts.mainBusyMs = busyMs;
    });
    expect(engine.finding()).toBeNull();
    engine.facts.mainBusyMs = 0;
    engine.run(5000);
    expect(engine.finding()).toBeNull();
    expect(engine.untilFound(60_000)).toBeLessThanOrEqual(6000);
  });

  it('does not count time in which nobody looked, as when the machine was suspended', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 1, rhythm: FAST });
    engine.sleep(3_600_000);
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('finds an engine that hangs though its clients give up and come back, and forgives one that gave up on a long prompt', () => {
    const engine = virtualEngine();
    for (let attempt = 0; attempt < 5 && engine.finding() === null; attempt += 1) {
      Object.assign(engine.facts, { running: 1, prefilling: 1 });
      engine.run(50_000);
      Object.assign(engine.facts, { running: 0, prefilling: 0 });
      engine.run(2000);
    }
    Object.assign(engine.facts, { running: 1, prefilling: 1 });
    expect(engine.untilFound(70_000)).toBeLessThanOrEqual(70_000);
    expect(engine.finding()).not.toBeNull();

    const other = virtualEngine();
    Object.assign(other.facts, { running: 1, prefilling: 1 });
    other.run(110_000);
    Object.assign(other.facts, { running: 0, prefilling: 0 });
    other.run(1000);
    Object.assign(other.facts, { running: 1, prefilling: 1 });
    other.run(59_000);
    expect(other.finding()).toBeNull();
  });

  it('stays with its finding when the clients have gone, until the engine shows something or nobody has asked for long', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 1, rhythm: FAST });
    engine.untilFound(60_000);
    engine.facts.running = 0;
    engine.run(59_000);
    expect(engine.finding()).toMatchObject({ cause: 'decode', isFinal: false });
    engine.run(2000);
    expect(engine.finding()).toBeNull();

    Object.assign(engine.facts, { running: 1 });
    engine.untilFound(60_000);
    Object.assign(engine.facts, { running: 0, progress: 1 });
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('gives who waited behind a long prompt his whole time when that is given up', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 2, prefilling: 1, rhythm: FAST });
    engine.run(110_000);
    Object.assign(engine.facts, { running: 1, prefilling: 0, givenUp: 1 });
    engine.run(9000);
    expect(engine.finding()).toBeNull();
    expect(engine.untilFound(60_000)).toBeLessThanOrEqual(1500);
  });

  it('does not end an engine for long prompts in a row that were given up, up to two', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { running: 3, prefilling: 3 });
    engine.run(100_000);
    Object.assign(engine.facts, { running: 2, prefilling: 2, givenUp: 1 });
    engine.run(100_000);
    Object.assign(engine.facts, { running: 1, prefilling: 1, givenUp: 2 });
    engine.run(110_000);
    expect(engine.finding()).toMatchObject({ cause: 'prefill', isFinal: false });
    engine.run(200_000);
    expect(engine.finding()).toMatchObject({ isFinal: true });
  });

  it('gives loading its own budget, and no limit with 0', () => {
    const engine = virtualEngine({ loadTimeoutMs: 600_000 });
    engine.facts.isLoading = true;
    expect(engine.untilFound(900_000)).toBeGreaterThanOrEqual(599_000);
    expect(engine.finding()).toMatchObject({ cause: 'load' });
    const patient = virtualEngine({ loadTimeoutMs: 0 });
    patient.facts.isLoading = true;
    patient.run(10_000_000);
    expect(patient.finding()).toBeNull();
  });
});

describe('a watched engine', () => {
  it.each(['exit', 'gone', 'pipe_closed', 'reported'] as const)(
    'is dead at once by %s, not live only later',
    (dead) => {
      const engine = virtualEngine();
      engine.facts.watches = [{ ...WATCH, dead }];
      expect(engine.untilFound(10_000)).toBe(500);
      expect(engine.finding()).toMatchObject({
        code: 'inference_engine.dead',
        isFinal: true,
        isNotLive: false,
      });
      const more = engine.untilFound(120_000, () => engine.finding()!.isNotLive);
      expect(more).toBeGreaterThanOrEqual(59_000);
      expect(more).toBeLessThanOrEqual(61_000);
      // The application has replaced it.
      engine.facts.watches = [{ ...WATCH, id: 2 }];
      engine.run(500);
      expect(engine.finding()).toBeNull();
    },
  );

  it('whose process the kernel says is gone is dead, though the main thread cannot hear of it', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, { mainBusyMs: 10_000, watches: [{ ...WATCH, process: 'gone' }] });
    engine.run(500);
    expect(engine.finding()).toMatchObject({ kind: 'dead', cause: 'gone' });
  });

  it('that is stopped is found within 1.5 s, and is well when it goes on', () => {
    const engine = virtualEngine();
    engine.facts.watches = [{ ...WATCH, process: 'stopped' }];
    expect(engine.untilFound(10_000)).toBeLessThanOrEqual(1500);
    engine.facts.watches = [WATCH];
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('that is stopped for a moment only is no finding', () => {
    const engine = virtualEngine();
    engine.facts.watches = [{ ...WATCH, process: 'stopped' }];
    engine.run(500);
    engine.facts.watches = [WATCH];
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('without heartbeats is stalled after heartbeatMs, from the first one on', () => {
    const engine = virtualEngine();
    engine.facts.watches = [{ ...WATCH, beats: { count: 0, isDirect: false } }];
    engine.run(60_000);
    expect(engine.finding()).toBeNull();
    engine.facts.watches = [{ ...WATCH, beats: { count: 7, isDirect: false } }];
    engine.run(500);
    expect(engine.untilFound(10_000)).toBeLessThanOrEqual(3500);
    expect(engine.finding()).toMatchObject({ cause: 'heartbeat', isFinal: false });
  });

  it('that computes a long prompt on the loop that beats is busy, not stalled, for as long as a prompt may take', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, {
      running: 1,
      prefilling: 1,
      watches: [{ ...WATCH, beats: { count: 7, isDirect: false } }],
    });
    engine.run(119_000);
    expect(engine.finding()).toBeNull();
    engine.run(2000);
    expect(engine.finding()).toMatchObject({ isFinal: false });
    engine.run(60_000);
    expect(engine.finding()).toMatchObject({ isFinal: true });
  });

  it('that has been seen to beat through a long prompt is stalled when it does not', () => {
    const engine = virtualEngine();
    let count = 1;
    const beat = () => {
      count += 1;
      engine.facts.watches = [{ ...WATCH, beats: { count, isDirect: false } }];
    };
    Object.assign(engine.facts, { running: 1, prefilling: 1 });
    engine.run(10_000, beat);
    expect(engine.untilFound(60_000)).toBeLessThanOrEqual(3500);
    expect(engine.finding()).toMatchObject({ cause: 'heartbeat' });
    // Yet only the limit of the prompt itself ends it.
    engine.run(100_000);
    expect(engine.finding()).toMatchObject({ isFinal: false });
  });

  it('that may still be at a long prompt that was given up is busy until it beats', () => {
    const engine = virtualEngine();
    const watches = [{ ...WATCH, beats: { count: 7, isDirect: true } }];
    Object.assign(engine.facts, { running: 1, prefilling: 1, watches });
    engine.run(90_000);
    Object.assign(engine.facts, { running: 0, prefilling: 0, givenUp: 1 });
    engine.run(25_000);
    expect(engine.finding()).toBeNull();
    engine.facts.watches = [{ ...WATCH, beats: { count: 8, isDirect: true } }];
    engine.run(500);
    expect(engine.untilFound(60_000)).toBeLessThanOrEqual(3500);
  });

  it('that gives tokens needs no heartbeat besides', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, {
      running: 1,
      watches: [{ ...WATCH, beats: { count: 7, isDirect: false } }],
    });
    let progress = 0;
    engine.run(600_000, () => {
      progress += 1;
      engine.facts.progress = progress;
    });
    expect(engine.finding()).toBeNull();
  });

  it('with a counter in shared memory is judged while the main thread is blocked', () => {
    const engine = virtualEngine();
    const busy = () => {
      engine.facts.mainBusyMs = (engine.facts.mainBusyMs ?? 0) + 500;
    };
    engine.facts.watches = [{ ...WATCH, process: null, beats: { count: 7, isDirect: false } }];
    engine.run(60_000, busy);
    expect(engine.finding()).toBeNull();
    engine.facts.watches = [{ ...WATCH, id: 2, process: null, beats: { count: 7, isDirect: true } }];
    engine.run(4000, busy);
    expect(engine.finding()).toMatchObject({ cause: 'heartbeat', watchId: 2 });
  });

  it('that a debugger holds is never to be restarted', () => {
    const engine = virtualEngine();
    Object.assign(engine.facts, {
      running: 1,
      rhythm: FAST,
      watches: [{ ...WATCH, process: 'traced', beats: { count: 7, isDirect: false } }],
    });
    engine.run(3_600_000);
    expect(engine.finding()).toMatchObject({ isFinal: false, isNotLive: false });
  });

  it.each([
    ['failed', 'inference_engine.check_failed'],
    ['timeout', 'inference_engine.stalled'],
  ] as const)('whose check has %s is not ready at once and has failed after liveStallMs', (check, code) => {
    const engine = virtualEngine();
    engine.facts.watches = [{ ...WATCH, check }];
    engine.run(500);
    expect(engine.finding()).toMatchObject({ code, isFinal: false });
    engine.run(61_000);
    expect(engine.finding()).toMatchObject({ code, isFinal: true });
    engine.facts.watches = [{ ...WATCH, check: 'ok' }];
    engine.run(500);
    expect(engine.finding()).toBeNull();
  });

  it('is judged by its worst process', () => {
    const engine = virtualEngine();
    engine.facts.watches = [
      WATCH,
      { ...WATCH, id: 2, process: 'stopped' },
      { ...WATCH, id: 3, dead: 'exit' },
    ];
    engine.run(2000);
    expect(engine.finding()).toMatchObject({ kind: 'dead', watchId: 3 });
  });
});

describe('whatever happens', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 5000 }),
    busy: fc.integer({ min: 0, max: 4000 }),
    running: fc.integer({ min: 0, max: 3 }),
    prefilling: fc.integer({ min: 0, max: 3 }),
    progress: fc.boolean(),
    beats: fc.boolean(),
  });

  it('an engine that progresses and beats at every look is never found', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const engine = virtualEngine();
        let count = 1;
        for (const { ms, busy, running, prefilling } of steps) {
          engine.sleep(ms);
          count += 1;
          Object.assign(engine.facts, {
            running,
            prefilling: Math.min(running, prefilling),
            progress: count,
            mainBusyMs: busy,
            watches: [{ ...WATCH, beats: { count, isDirect: true }, check: 'ok' as const }],
          });
          engine.run(500);
          expect(engine.finding()).toBeNull();
        }
      }),
    );
  });

  it('final follows only after a finding of at least liveStallMs, and never without one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const engine = virtualEngine({ stallFloorMs: 2000, stallCeilingMs: 5000, liveStallMs: 4000 });
        let progress = 0;
        let beats = 1;
        for (const each of steps) {
          engine.sleep(each.ms);
          if (each.progress) progress += 1;
          if (each.beats) beats += 1;
          Object.assign(engine.facts, {
            running: each.running,
            prefilling: Math.min(each.running, each.prefilling),
            progress,
            watches: [{ ...WATCH, beats: { count: beats, isDirect: false } }],
          });
          engine.run(500);
          const finding = engine.finding();
          if (finding?.isFinal && finding.cause !== 'heartbeat')
            expect(engine.now() - finding.sinceMs).toBeGreaterThanOrEqual(4000);
          expect(finding?.isNotLive === true && !finding.isFinal).toBe(false);
        }
      }),
    );
  });
});
