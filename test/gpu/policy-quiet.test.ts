import { describe, expect, it } from 'vitest';
import { GIB, type Scenario, scenario, uuidOf } from './policy-scenario.js';

const HOUR = 3_600_000;

/** mulberry32: one seed is one exact day. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A day of two GPUs in use. GPU 0 takes memory as requests come, GPU 1 reserved 95 % at the start. All that is normal
 * happens: the power limit is reached for hours, heat for minutes, models are swapped, counters creep, other tenants'
 * programs crash, single questions to the driver fail, handles are released for five minutes, kernels fill the GPU.
 */
function liveThroughADay(host: Scenario, seed: number, stepMs: number): readonly string[] {
  const next = random(seed);
  const chance = (perHour: number): boolean => next() < (perHour * stepMs) / HOUR;
  const noise = (): number => next() + next() - 1;
  const problems: string[] = [];
  let [powerNs, thermalNs, slowdownNs] = [0, 0, 0];
  let [replays, linkErrors, corrected] = [0, 0, 0];
  let modelBytes = 16 * GIB;
  let cacheBytes = 2 * GIB;
  let hotUntilMs = 0;
  let releasedUntilMs = 0;
  let foreignPid = 9000;
  const startMs = host.now();

  while (host.now() - startMs < 24 * HOUR) {
    const hours = (host.now() - startMs) / HOUR;
    const load = Math.max(0, 20 * (0.5 - 0.5 * Math.cos((hours / 24) * 2 * Math.PI)) + 4 * noise());
    const busy = load > 1;
    host.send({ type: 'load', atMs: host.now(), inFlight: Math.round(load) });

    if (chance(1 / 4)) modelBytes = (8 + 24 * next()) * GIB;
    // A caching allocator keeps what it once took, and gives some of it back now and then.
    cacheBytes = Math.max(cacheBytes, load * 0.8 * GIB);
    if (chance(2)) cacheBytes *= 0.6;
    const used = modelBytes + cacheBytes + load * 0.4 * GIB + 0.2 * GIB * next();
    if (chance(1 / 2)) hotUntilMs = host.now() + 120_000 * next();
    const hot = host.now() < hotUntilMs;
    powerNs += busy ? stepMs * 1e6 * (0.5 + 0.5 * next()) : 0;
    thermalNs += hot ? stepMs * 1e6 * 0.4 : 0;
    slowdownNs += chance(1) ? 20e6 : 0;
    replays += chance(2) ? 1 : 0;
    linkErrors += chance(6) ? 3 : 0;
    corrected += chance(20) ? 1 : 0;

    const common = {
      powerViolationNs: powerNs,
      thermalViolationNs: thermalNs,
      hwSlowdownNs: slowdownNs,
      pcieReplay: replays,
      nvlinkErrors: linkErrors,
      eccVolatileCorrected: corrected,
      temperatureC: hot ? 88 : 55 + 10 * next(),
      fabricHealth: next() < 0.5 ? 0xaa : 0x80,
      lastReturn: 0,
    };
    host.set(0, {
      ...common,
      memUsedBytes: used,
      ownMemoryBytes: used - 0.5 * GIB,
      utilGpuPercent: busy ? Math.round(100 * Math.min(1, load / 10 + next())) : 0,
      powerMw: busy ? 640_000 + 60_000 * next() : 90_000,
      processCount: chance(60) ? null : 1 + Math.round(2 * next()),
      lastReturn: chance(1) ? 999 : 0,
    });
    host.set(1, {
      ...common,
      memUsedBytes: (75 + 2.5 * next()) * GIB,
      ownMemoryBytes: 75 * GIB,
      utilGpuPercent: 100,
      powerMw: 650_000 + 50_000 * next(),
    });
    if (chance(1 / 6)) {
      foreignPid += 1;
      host.xid(next() < 0.5 ? 31 : 43, { pid: foreignPid, uuid: uuidOf(next() < 0.5 ? 0 : 1) });
    }
    if (chance(1 / 12) && releasedUntilMs === 0) {
      releasedUntilMs = host.now() + 300_000;
      host.global({ state: 'released', gpus: [] });
    } else if (releasedUntilMs > 0 && host.now() >= releasedUntilMs) {
      releasedUntilMs = 0;
      host.global({ state: 'ok', generation: host.state().facts!.generation + 1 });
      host.globalUnset('gpus');
    }
    host.advance(stepMs);
    for (const { code, message } of host.findings()) {
      // Three tenants that crash on one GPU in a day are a reason to look at it; this is what that finding is for.
      if (code !== 'gpu.suspect') problems.push(`${hours.toFixed(2)} h ${code}: ${message}`);
    }
    if (problems.length > 5) break;
  }
  return problems;
}

describe('24 hours of normal fluctuation', () => {
  it('have no finding, looked at every two seconds', () => {
    expect(liveThroughADay(scenario({ gpus: 2, stepMs: 2000 }), 1, 2000)).toEqual([]);
  }, 60_000);

  it.each([2, 3])('have no finding on the day of seed %i', (seed) => {
    expect(liveThroughADay(scenario({ gpus: 2, stepMs: 10_000 }), seed, 10_000)).toEqual([]);
  });

  it('hide no leak that runs through them', () => {
    const host = scenario({ stepMs: 10_000 });
    const next = random(7);
    const startMs = host.now();
    while (host.find('gpu.memory_leak') === undefined && host.now() - startMs < 3 * HOUR) {
      const minutes = (host.now() - startMs) / 60_000;
      const load = 8 + 3 * (next() - 0.5);
      host.send({ type: 'load', atMs: host.now(), inFlight: Math.round(load) });
      host.set(0, { ownMemoryBytes: 30 * GIB + load * 0.1 * GIB + minutes * 20 * 2 ** 20 });
      host.advance(10_000);
    }
    expect(host.find('gpu.memory_leak')).toMatchObject({
      severity: 'degraded',
      action: 'restart',
      gating: false,
    });
    expect(host.now() - startMs).toBeLessThan(1.2 * HOUR);
  });
});
