import { describe, expect, it } from 'vitest';
import { FAST, virtualEngine, WATCH } from './look.js';

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
