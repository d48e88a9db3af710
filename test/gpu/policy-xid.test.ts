import { describe, expect, it } from 'vitest';
import { OWN_PID, scenario, uuidOf } from './policy-scenario.js';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('an application XID', () => {
  it('of unknown origin is shown for ten minutes and is never unhealthy', () => {
    const host = scenario({ stepMs: 5 * SECOND });
    host.xid(31);
    expect(host.findings()).toMatchObject([{ code: 'gpu.xid.31', severity: 'degraded', gating: false }]);
    expect(host.until('gpu.xid.31', HOUR, false)).toBe(10 * MINUTE);
  });

  it('is ours when the engine reports an illegal access near it, before or after', () => {
    const after = scenario();
    after.xid(31);
    after.advance(5 * SECOND);
    after.send({ type: 'engine-error', atMs: after.now(), kind: 'illegal_access', message: 'm', ordinal: 0 });
    expect(after.find('gpu.xid.31')).toMatchObject({
      severity: 'unhealthy',
      action: 'restart',
      gating: true,
    });
    expect(after.find('gpu.context_poisoned')).toMatchObject({ gating: true, restartHelps: true });

    const before = scenario();
    before.send({
      type: 'engine-error',
      atMs: before.now(),
      kind: 'device_assert',
      message: 'm',
      ordinal: null,
    });
    before.advance(20 * SECOND);
    before.xid(43);
    expect(before.find('gpu.xid.43')).toMatchObject({ gating: true });

    const late = scenario();
    late.xid(31);
    late.advance(31 * SECOND);
    late.send({ type: 'engine-error', atMs: late.now(), kind: 'illegal_access', message: 'm', ordinal: 0 });
    expect(late.find('gpu.xid.31')).toMatchObject({ gating: false });
  });

  it('is ours when progress is lost near it, or when nobody else is on the GPU', () => {
    const lost = scenario();
    lost.xid(13);
    lost.send({ type: 'progress-lost', atMs: lost.now() + 10 * SECOND });
    expect(lost.find('gpu.xid.13')).toMatchObject({ gating: true });

    const alone = scenario();
    alone.set(0, { processCount: 1 });
    alone.xid(13);
    expect(alone.find('gpu.xid.13')).toMatchObject({ gating: true });
  });

  it('of a foreign pid proves nothing in a pid namespace of its own', () => {
    const host = scenario();
    host.global({ pidsComparable: false });
    host.xid(31, { pid: 77 });
    expect(host.findings()).toMatchObject([{ code: 'gpu.xid.31', gating: false }]);
  });

  it('is corrected when the kernel line that names the process comes after the event', () => {
    const host = scenario();
    host.xid(31);
    expect(host.codes()).toEqual(['gpu.xid.31']);
    host.xid(31, { times: 0, pid: 77 });
    expect(host.findings()).toEqual([]);
  });

  it('of our own lasts until three pieces of work that began after it have succeeded', () => {
    const host = scenario({ stepMs: 5 * SECOND });
    host.xid(31, { pid: OWN_PID });
    const faultAtMs = host.now();
    host.advance(24 * MINUTE);
    expect(host.find('gpu.xid.31')).toMatchObject({ gating: true, sinceMs: faultAtMs });
    const success = (beganAtMs: number): void =>
      host.send({ type: 'engine-success', atMs: host.now(), beganAtMs });
    success(faultAtMs - 1);
    success(faultAtMs + 1);
    success(faultAtMs + 2);
    expect(host.find('gpu.xid.31')).toBeDefined();
    success(faultAtMs + 3);
    expect(host.findings()).toEqual([]);
    host.xid(31, { pid: OWN_PID });
    expect(host.find('gpu.xid.31')).toMatchObject({ gating: true, sinceMs: host.now() });
  });

  it('of an engine child is over when that child has ended', () => {
    const host = scenario();
    host.global({ ownPids: [OWN_PID, 5000] });
    host.xid(43, { pid: 5000 });
    expect(host.find('gpu.xid.43')).toMatchObject({ gating: true });
    host.advance(MINUTE);
    expect(host.find('gpu.xid.43')).toBeDefined();
    host.global({ ownPids: [OWN_PID] });
    host.advance(SECOND);
    expect(host.findings()).toEqual([]);
  });

  it('45 counts only when it is alone', () => {
    const host = scenario();
    host.xid(45, { pid: OWN_PID });
    expect(host.codes()).toEqual(['gpu.xid.45']);
    host.xid(79);
    expect(host.codes()).toEqual(['gpu.xid.79']);
  });

  it('arriving a hundred thousand times is one finding and a bounded state', () => {
    const host = scenario();
    for (let burst = 0; burst < 1000; burst += 1) host.xid(95, { times: 100 });
    expect(host.findings()).toHaveLength(1);
    expect(host.find('gpu.xid.95')?.message).toContain('100000 times');
    expect(JSON.stringify(host.state()).length).toBeLessThan(20_000);
  });

  it('of three processes on one GPU alone makes the GPU suspect, not unhealthy', () => {
    const host = scenario({ gpus: 2 });
    for (const pid of [101, 102, 102, 103]) {
      host.xid(13, { pid });
      host.advance(5 * MINUTE);
    }
    expect(host.findings()).toMatchObject([
      { code: 'gpu.suspect', uuid: uuidOf(0), severity: 'degraded', action: 'contact', gating: false },
    ]);
    // The same on the other GPU: then it is the application.
    for (const pid of [201, 202, 203]) {
      host.xid(13, { pid, uuid: uuidOf(1) });
      host.advance(5 * MINUTE);
    }
    expect(host.findings()).toEqual([]);
  });

  it('of one process over and over does not make the GPU suspect', () => {
    const host = scenario();
    for (let again = 0; again < 20; again += 1) {
      host.xid(31, { pid: 101 });
      host.advance(5 * MINUTE);
    }
    expect(host.findings()).toEqual([]);
  });
});

describe('the driver overrules the catalogue', () => {
  it('Xid 154 raises what the XID beside it asks for, and makes a finding of its own', () => {
    const host = scenario();
    host.xid(95);
    host.xid(154, { toAction: 2 });
    expect(host.find('gpu.xid.95')).toMatchObject({ action: 'reboot', severity: 'unhealthy' });
    expect(host.find('gpu.recovery_required')).toMatchObject({ action: 'reboot', gating: true });
    expect(host.find('gpu.xid.154')).toBeUndefined();
  });

  it('Xid 154 raises even an XID that only warns, if they came together', () => {
    const together = scenario();
    together.xid(63);
    expect(together.find('gpu.xid.63')).toMatchObject({ severity: 'degraded' });
    together.xid(154, { toAction: 1 });
    expect(together.find('gpu.xid.63')).toMatchObject({ severity: 'unhealthy', action: 'reset' });

    const apart = scenario();
    apart.xid(63);
    apart.advance(2 * MINUTE);
    apart.set(0, { recoveryAction: 1 });
    apart.advance(SECOND);
    expect(apart.find('gpu.xid.63')).toMatchObject({ severity: 'degraded' });
  });

  it('a reading of field 230 older than Xid 154 does not take it back, two newer ones do', () => {
    const host = scenario();
    host.advance(20 * SECOND);
    host.xid(154, { toAction: 1 });
    expect(host.find('gpu.recovery_required')).toBeDefined();
    host.advance(2 * SECOND);
    expect(host.find('gpu.recovery_required')).toBeDefined();
    expect(host.until('gpu.recovery_required', MINUTE, false)).toBeLessThanOrEqual(15 * SECOND);
  });

  it('field 230 saying "none" twice after an XID turns it into a warning that decays', () => {
    const host = scenario({ stepMs: 5 * SECOND });
    host.xid(95);
    expect(host.find('gpu.xid.95')).toMatchObject({ gating: true });
    host.advance(31 * SECOND);
    expect(host.find('gpu.xid.95')).toMatchObject({ gating: false, severity: 'degraded', action: 'watch' });
    expect(host.until('gpu.xid.95', 2 * HOUR, false)).not.toBeNull();
  });

  it('not so for a driver that does not yet report it for this XID, or for an XID that it never does', () => {
    const old = scenario({ stepMs: 5 * SECOND, first: { driverVersion: '550.54.15' } });
    old.xid(95);
    old.advance(HOUR);
    expect(old.find('gpu.xid.95')).toMatchObject({ gating: true, action: 'reset' });

    const never = scenario({ stepMs: 5 * SECOND });
    never.xid(46);
    never.advance(HOUR);
    expect(never.find('gpu.xid.46')).toMatchObject({ gating: true, action: 'reset' });
  });
});

describe('Xid 119', () => {
  it('degrades once and twice and needs a reset at the third, whenever that comes', () => {
    const host = scenario();
    host.xid(119);
    expect(host.find('gpu.xid.119')).toMatchObject({ severity: 'degraded', action: 'watch', gating: false });
    host.advance(20 * MINUTE);
    host.xid(119);
    expect(host.find('gpu.xid.119')).toMatchObject({ severity: 'degraded' });
    host.xid(119);
    expect(host.find('gpu.xid.119')).toMatchObject({ severity: 'unhealthy', action: 'reset', gating: true });
  });

  it('needs a reset at once when the driver takes the GPU out of service or field 230 says so', () => {
    const host = scenario();
    host.xid(119);
    host.set(0, { unavailableAtMs: host.now() });
    host.advance(SECOND);
    expect(host.find('gpu.unavailable')).toMatchObject({ gating: true, action: 'reset' });
    host.set(0, { recoveryAction: 1 });
    host.advance(SECOND);
    expect(host.find('gpu.xid.119')).toMatchObject({ severity: 'unhealthy', action: 'reset' });
  });
});

describe('recovery', () => {
  it('of a GPU that fell off the bus comes with its return and half a minute of answers, not with time', () => {
    const host = scenario({ stepMs: 5 * SECOND, gpus: 2 });
    host.xid(79);
    host.set(0, { lost: true, lastReturn: 15 });
    host.advance(2 * HOUR);
    expect(host.codes()).toEqual(['gpu.xid.79', 'gpu.lost']);
    host.remove(0);
    host.advance(MINUTE);
    host.set(0, { lost: false, lastReturn: 0 });
    host.global({ generation: 2 });
    host.restore(0);
    host.advance(29 * SECOND);
    expect(host.find('gpu.lost')).toMatchObject({ gating: true });
    host.advance(10 * SECOND);
    expect(host.findings()).toEqual([]);
  });

  it('comes when the driver takes back its demand', () => {
    const host = scenario({ stepMs: 5 * SECOND });
    host.set(0, { recoveryAction: 1 });
    host.xid(46);
    host.advance(HOUR);
    expect(host.find('gpu.xid.46')).toMatchObject({ gating: true });
    host.set(0, { recoveryAction: 0 });
    host.advance(40 * SECOND);
    expect(host.findings()).toEqual([]);
  });

  it('comes when handles were opened anew and the counters of the GPU began at zero', () => {
    const host = scenario({
      stepMs: 5 * SECOND,
      devices: { recoveryAction: null, thermalViolationNs: 8e12 },
    });
    host.advance(MINUTE);
    host.xid(64);
    host.advance(HOUR);
    expect(host.find('gpu.xid.64')).toMatchObject({ gating: true });
    // Opened anew without a reset: the counter goes on, and so does the fault.
    host.global({ generation: 2 });
    host.advance(5 * MINUTE);
    expect(host.find('gpu.xid.64')).toMatchObject({ gating: true });
    host.set(0, { thermalViolationNs: 0 });
    host.global({ generation: 3 });
    host.advance(40 * SECOND);
    expect(host.findings()).toEqual([]);
  });

  it('starts anew when the fault comes back', () => {
    const host = scenario();
    host.set(0, { lost: true, lastReturn: 15 });
    host.xid(79);
    host.advance(MINUTE);
    host.set(0, { lost: false, lastReturn: 0 });
    host.advance(MINUTE);
    expect(host.findings()).toEqual([]);
    host.xid(79);
    expect(host.find('gpu.xid.79')).toMatchObject({ gating: true, sinceMs: host.now() });
    expect(host.find('gpu.xid.79')?.message).not.toContain('times');
  });

  it('does not count our own broken context as cured by a reset', () => {
    const host = scenario();
    host.xid(31, { pid: OWN_PID });
    host.set(0, { recoveryAction: 1 });
    host.advance(MINUTE);
    host.set(0, { recoveryAction: 0 });
    host.advance(5 * MINUTE);
    expect(host.codes()).toEqual(['gpu.xid.31']);
  });

  it('of contained memory errors comes with a reset', () => {
    const host = scenario({ stepMs: 5 * SECOND });
    host.xid(94, { pid: 77 });
    host.advance(6 * HOUR);
    expect(host.codes()).toEqual(['gpu.xid.94']);
    host.set(0, { lost: true, lastReturn: 15 });
    host.advance(MINUTE);
    host.set(0, { lost: false, lastReturn: 0 });
    host.advance(MINUTE);
    expect(host.findings()).toEqual([]);
  });

  it('162 takes back 163', () => {
    const host = scenario();
    host.xid(163);
    expect(host.codes()).toEqual(['gpu.xid.163']);
    host.advance(SECOND);
    host.xid(162);
    expect(host.findings()).toEqual([]);
  });
});

describe('configuration', () => {
  it('gives an XID another action, severity or threshold, and the driver does not talk it down', () => {
    const host = scenario({
      stepMs: 5 * SECOND,
      policy: {
        xids: {
          31: 'ignore',
          63: 'reset',
          92: { threshold: 3, action: 'reset' },
          79: { severity: 'degraded' },
        },
      },
    });
    host.xid(31, { pid: OWN_PID });
    expect(host.findings()).toEqual([]);
    host.xid(63);
    expect(host.find('gpu.xid.63')).toMatchObject({ severity: 'unhealthy', action: 'reset', gating: true });
    host.advance(2 * HOUR);
    expect(host.find('gpu.xid.63')).toMatchObject({ gating: true });
    host.xid(92, { times: 2 });
    expect(host.find('gpu.xid.92')).toMatchObject({ severity: 'degraded' });
    host.xid(92);
    expect(host.find('gpu.xid.92')).toMatchObject({ severity: 'unhealthy', action: 'reset' });
    host.xid(79);
    expect(host.find('gpu.xid.79')).toMatchObject({ severity: 'degraded', gating: false, action: 'reboot' });
  });

  it('gives any finding another severity or ignores it', () => {
    const host = scenario({
      policy: { findings: { 'gpu.remap_pending': 'unhealthy', 'gpu.ecc_uncorrected': 'ignore' } },
    });
    host.set(0, { remapPending: true, eccVolatileUncorrected: 3 });
    host.advance(SECOND);
    expect(host.findings()).toMatchObject([
      { code: 'gpu.remap_pending', severity: 'unhealthy', gating: true },
    ]);
  });
});

describe('whose GPU', () => {
  it('an XID of a GPU that was never listed is shown and gates nothing', () => {
    const host = scenario();
    host.xid(79, { uuid: null });
    expect(host.findings()).toMatchObject([{ code: 'gpu.xid.79', uuid: null, used: false, gating: false }]);
  });

  it('a fault of the GPU below a MIG device concerns who uses the MIG device', () => {
    const mig = { isMig: true, parentUuid: uuidOf(0), uuid: 'MIG-aaaa' };
    const host = scenario({ policy: { visible: { cudaVisibleDevices: 'MIG-aaaa' } } });
    const [gpu] = host.state().facts!.gpus;
    host.global({ gpus: [gpu!, { ...gpu!, ...mig, index: 0 }] });
    host.advance(SECOND);
    host.xid(95);
    expect(host.find('gpu.xid.95')).toMatchObject({ used: true, gating: true });
    host.global({ gpus: [gpu!] });
    host.advance(SECOND);
    expect(host.find('gpu.mig_gone')).toMatchObject({ used: true, gating: true, restartHelps: true });
  });

  it('a fatal SXid concerns a process that uses several GPUs', () => {
    const sxid = { uuid: null, isSxid: true, fatal: true };
    const one = scenario();
    one.xid(12028, sxid);
    expect(one.findings()).toMatchObject([{ code: 'gpu.sxid.12028', severity: 'degraded', gating: false }]);
    const two = scenario({ gpus: 2 });
    two.xid(12028, sxid);
    expect(two.findings()).toMatchObject([{ code: 'gpu.sxid.12028', severity: 'unhealthy', gating: true }]);
  });
});
