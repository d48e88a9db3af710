import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { virtualEngine, WATCH } from './look.js';

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
