import { describe, expect, it } from 'vitest';
import type { EngineFinding } from '../../lib/engine/policy-types.js';
import type { GpuErrorKind } from '../../lib/gpu/app-error.js';
import { gpuComponent } from '../../lib/gpu/component.js';
import { createEngineEvidence } from '../../lib/probe/gpu-engine.js';
import type { Status } from '../../lib/status/types.js';
import { OWN_PID, type Scenario, scenario } from './policy-scenario.js';

const SECOND = 1000;
const MINUTE = 60_000;

function report(host: Scenario, kind: GpuErrorKind): void {
  host.send({ type: 'engine-error', atMs: host.now(), kind, message: `text of ${kind}`, ordinal: null });
}
const recover = (host: Scenario): void => host.send({ type: 'engine-recovered', atMs: host.now() });

describe('a new engine', () => {
  it.each(['illegal_access', 'device_assert', 'ecc', 'lost', 'unavailable', 'oom'] as const)(
    'ends what the old one reported: %s',
    (kind) => {
      const host = scenario();
      for (let time = 0; time < 3; time += 1) report(host, kind);
      expect(host.findings()).toHaveLength(1);
      host.advance(MINUTE / 2);
      recover(host);
      expect(host.findings()).toEqual([]);
    },
  );

  it("ends its application XIDs, but neither another process's nor the GPU's", () => {
    const host = scenario();
    host.xid(31, { pid: OWN_PID });
    host.xid(79);
    host.xid(92);
    expect(host.find('gpu.xid.31')).toMatchObject({ gating: true });
    recover(host);
    expect(host.codes()).toEqual(['gpu.xid.79', 'gpu.xid.92']);
  });

  it('leaves the reset that a contained memory error wants', () => {
    const host = scenario();
    host.xid(94, { pid: OWN_PID });
    expect(host.find('gpu.xid.94')).toMatchObject({ gating: true, action: 'restart' });
    recover(host);
    expect(host.find('gpu.xid.94')).toMatchObject({ gating: false, action: 'reset' });
  });

  it('owns none of the XIDs that its predecessor left behind it', () => {
    const host = scenario();
    host.global({ pidsComparable: false, ownPids: [] });
    report(host, 'illegal_access');
    host.advance(SECOND);
    recover(host);
    host.advance(SECOND);
    host.xid(45, {});
    expect(host.find('gpu.xid.45')).not.toMatchObject({ gating: true });
  });

  it('meets faults of its own', () => {
    const host = scenario();
    recover(host);
    host.advance(SECOND);
    host.xid(31, { pid: OWN_PID });
    expect(host.find('gpu.xid.31')).toMatchObject({ gating: true });
    recover(host);
    host.advance(SECOND);
    host.xid(31, { pid: OWN_PID });
    expect(host.find('gpu.xid.31')).toMatchObject({
      gating: true,
      message: expect.not.stringContaining('times'),
    });
  });
});

describe('an engine that stalls', () => {
  it('makes the application XID of that time its own', () => {
    const host = scenario();
    host.global({ pidsComparable: false, ownPids: [] });
    host.xid(13, {});
    expect(host.find('gpu.xid.13')).toMatchObject({ gating: false, severity: 'degraded' });
    const stalledSinceMs = host.now() + 2 * SECOND;
    host.advance(20 * SECOND);
    host.send({ type: 'progress-lost', atMs: stalledSinceMs });
    expect(host.find('gpu.xid.13')).toMatchObject({ gating: true, severity: 'unhealthy', action: 'restart' });
  });

  it('does so again when it stalls again, and not as long as one silence is reported', () => {
    const host = scenario();
    host.global({ pidsComparable: false, ownPids: [] });
    const silences = [host.now(), host.now() + 10, host.now() + MINUTE];
    for (const atMs of silences) host.send({ type: 'progress-lost', atMs });
    expect(host.state().application.troubleAtMs).toEqual([silences[0], silences[2]]);
  });

  it('does not so with one of long before', () => {
    const host = scenario();
    host.global({ pidsComparable: false, ownPids: [] });
    host.xid(13, {});
    host.advance(5 * MINUTE);
    host.send({ type: 'progress-lost', atMs: host.now() });
    expect(host.find('gpu.xid.13')).toMatchObject({ gating: false });
  });
});

describe('an engine that generates tokens while the driver hangs', () => {
  /** One look a second, as in production: first the load, then the facts. */
  function serve(host: Scenario, seconds: number, perSecond: number, inFlight: number, start = 0): number {
    let tokens = start;
    for (let second = 0; second < seconds; second += 1) {
      tokens += perSecond;
      host.send({ type: 'load', atMs: host.now(), inFlight, tokens });
      host.advance(SECOND);
    }
    return tokens;
  }
  const hang = (host: Scenario, sinceMs: number): void =>
    host.global({ state: 'unresponsive', stuckSinceMs: sinceMs, stuckCall: 'nvmlDeviceGetMemoryInfo_v2' });

  it('stays ready from the first moment on', () => {
    const host = scenario();
    const tokens = serve(host, 30, 50, 8);
    const stuckSinceMs = host.now();
    serve(host, 5, 50, 8, tokens);
    hang(host, stuckSinceMs);
    host.advance(SECOND);
    expect(host.find('gpu.driver_unresponsive')).toMatchObject({ severity: 'degraded', gating: false });
    serve(host, 120, 50, 8, tokens + 250);
    expect(host.find('gpu.driver_unresponsive')).toMatchObject({ severity: 'degraded', gating: false });
  });

  it('is not ready where none came after it, or no more than were under way', () => {
    for (const after of [0, 8]) {
      const host = scenario();
      const tokens = serve(host, 30, 50, 8);
      const stuckSinceMs = host.now();
      serve(host, 2, after / 2, 8, tokens);
      serve(host, 3, 0, 8, tokens + after);
      hang(host, stuckSinceMs);
      host.advance(SECOND);
      expect(host.find('gpu.driver_unresponsive')).toMatchObject({ severity: 'unhealthy', gating: true });
    }
  });
});

describe('evidence from the status of the engine', () => {
  const component = (status: Status, atMs: number, name = 'inference_engine') =>
    ({ type: 'component', atMs, name, status, reason: null, message: '' }) as const;
  const finding = (kind: EngineFinding['kind']) =>
    ({ type: 'engine', finding: { kind, sinceMs: 40 } as EngineFinding }) as const;

  it('is ready() after failed() or loading(), once', () => {
    const evidence = createEngineEvidence();
    expect(evidence(component('healthy', 1), 1)).toBeNull();
    expect(evidence(component('unhealthy', 2), 2)).toBeNull();
    expect(evidence(component('healthy', 3, 'model'), 3)).toBeNull();
    expect(evidence(component('healthy', 4), 4)).toEqual({ type: 'engine-recovered', atMs: 4 });
    expect(evidence(component('healthy', 5), 5)).toBeNull();
    expect(evidence(component('degraded', 6), 6)).toBeNull();
    expect(evidence(component('healthy', 7), 7)).toEqual({ type: 'engine-recovered', atMs: 7 });
  });

  it('is an engine that replaces a dead one, and the beginning of a silence', () => {
    const evidence = createEngineEvidence();
    const none = { type: 'engine', finding: null } as const;
    expect(evidence(finding('stalled'), 50)).toEqual({ type: 'progress-lost', atMs: 40 });
    expect(evidence(none, 51)).toBeNull();
    expect(evidence(finding('dead'), 52)).toBeNull();
    expect(evidence(none, 53)).toEqual({ type: 'engine-recovered', atMs: 53 });
  });
});

describe('evidence from test requests', () => {
  const canary = (outcome: 'ok' | 'failed', atMs: number, name = 'generate') =>
    ({
      type: 'canary',
      name,
      report: {
        status: 'ok',
        sinceMs: 0,
        history: [{ atMs, outcome, durationMs: 30, detail: null }],
        counts: {} as never,
      },
    }) as const;

  it('is every one that succeeded, once', () => {
    const evidence = createEngineEvidence();
    expect(evidence(canary('failed', 100), 100)).toBeNull();
    expect(evidence(canary('ok', 200), 200)).toEqual({ type: 'engine-success', atMs: 200, beganAtMs: 170 });
    expect(evidence(canary('ok', 200), 210)).toBeNull();
    expect(evidence(canary('ok', 200, 'embed'), 210)).not.toBeNull();
    expect(evidence({ type: 'canary', name: 'generate', report: null }, 220)).toBeNull();
  });
});

describe('whether a restart helps', () => {
  it('is said of what gates only', () => {
    const host = scenario();
    host.set(0, { remapPending: true });
    host.advance(SECOND);
    expect(gpuComponent(host.state(), host.findings())).toMatchObject({
      status: 'degraded',
      restartHelps: null,
    });
    host.xid(79);
    expect(gpuComponent(host.state(), host.findings())).toMatchObject({ restartHelps: false });
  });
});
