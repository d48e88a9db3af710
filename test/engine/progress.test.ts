import { describe, expect, it } from 'vitest';
import { FAST, virtualEngine } from './look.js';

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
