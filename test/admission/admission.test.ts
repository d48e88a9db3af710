import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createAdmission } from '../../lib/admission/admission.js';
import { createLoadBlock, createLoadReader } from '../../lib/admission/load-block.js';
import { createLoadControl } from '../../lib/admission/load-control.js';
import { type AdmissionLimits, NO_LIMITS } from '../../lib/admission/policy.js';
import { createVirtualClock } from '../scope/virtual-clock.js';

function setUp(limits: Partial<AdmissionLimits> = {}) {
  const clock = createVirtualClock();
  const load = createLoadBlock();
  const admission = createAdmission({
    limits: { ...NO_LIMITS, ...limits },
    onCounts: load.counts,
    onRejection: load.rejected,
    clock,
    random: () => 0,
  });
  return { clock, admission, load, reader: createLoadReader(load.buffer) };
}

describe('a permit', () => {
  test('is given back once, however often it is released', async () => {
    const { admission } = setUp({ maxConcurrent: 2, maxQueue: 5 });
    const first = await admission.admit();
    await admission.admit();
    first.release();
    first.release();
    first[Symbol.dispose]();
    expect(admission.counts()).toEqual({ admitted: 1, queued: 0 });
  });

  test('goes to who has waited longest, and tells how long', async () => {
    const { admission, clock } = setUp({ maxConcurrent: 1, maxQueue: 5 });
    const first = await admission.admit();
    const second = admission.admit();
    const third = admission.admit();
    clock.advance(30);
    first.release();
    const permit = await second;
    expect([first.waitedMs, permit.waitedMs]).toEqual([0, 30]);
    permit.release();
    (await third).release();
    expect(admission.counts()).toEqual({ admitted: 0, queued: 0 });
  });
});

describe('a refusal', () => {
  test('is an error that a framework can answer', async () => {
    const { admission } = setUp({ maxConcurrent: 1, maxQueue: 0 });
    await admission.admit();
    await expect(admission.admit()).rejects.toMatchObject({
      name: 'InferenceHealthError',
      code: 'ERR_OVERLOADED',
      reason: 'queue_full',
      statusCode: 503,
      retryAfterSeconds: 1,
      headers: { 'retry-after': '1' },
    });
  });

  test('comes at the end of the queue time, and for a shorter deadline at that with 504', async () => {
    const { admission, clock } = setUp({ maxConcurrent: 1, maxQueue: 5, queueTimeoutMs: 200 });
    await admission.admit();
    const patient = admission.admit();
    const hasty = admission.admit({ deadlineMs: 50 });
    const ends = Promise.allSettled([patient, hasty]);
    clock.advance(50);
    await expect(hasty).rejects.toMatchObject({ code: 'ERR_DEADLINE', reason: 'deadline', statusCode: 504 });
    clock.advance(150);
    await expect(patient).rejects.toMatchObject({ code: 'ERR_OVERLOADED', reason: 'queue_timeout' });
    await ends;
    expect(clock.timers()).toBe(0);
  });

  test('is not what a client gets that leaves the queue, and it leaves no listener', async () => {
    const { admission, reader } = setUp({ maxConcurrent: 1, maxQueue: 5 });
    const running = await admission.admit();
    const client = new AbortController();
    const left = admission.admit({ signal: client.signal });
    client.abort();
    await expect(left).rejects.toMatchObject({ code: 'ERR_CANCELLED', reason: 'disconnected' });
    await expect(admission.admit({ signal: client.signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    const other = new AbortController();
    const waits = admission.admit({ signal: other.signal });
    running.release();
    await waits;
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(0);
    expect(Object.values(reader.read().rejections)).toEqual([0, 0, 0, 0, 0]);
  });

  test('is not for arguments that are wrong', async () => {
    const { admission } = setUp();
    await expect(admission.admit({ deadlineMs: Number.NaN })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    await expect(admission.admit({ deadlinMs: 5 } as object)).rejects.toMatchObject({
      message: expect.stringContaining('did you mean deadlineMs'),
    });
    await expect(admission.admit({ bytes: -1 })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('the load block', () => {
  test('shows permits, waiting requests and refusals to other threads', async () => {
    const { admission, reader } = setUp({ maxConcurrent: 1, maxQueue: 1 });
    const version = reader.version();
    await admission.admit();
    const waits = admission.admit();
    await admission.admit().catch(() => undefined);
    expect(reader.version()).not.toBe(version);
    expect(reader.read()).toMatchObject({ admitted: 1, queued: 1, rejections: { queue_full: 1 } });
    admission.setRefusing(true);
    await waits.catch(() => undefined);
    expect(admission.isRefusing()).toBe(true);
    expect(reader.read()).toMatchObject({ queued: 0, rejections: { queue_full: 1, draining: 1 } });
  });

  test('has the figures that were reported, and says which', () => {
    const { load, reader } = setUp();
    expect(reader.shape()).toBeNull();
    expect(reader.read().reportedAtMs).toBeNaN();
    const control = createLoadControl(load, () => 1234.5);
    control.report({ running: 3, kvBlocksUsed: 2 ** 40 });
    expect(reader.shape()).toEqual({ limits: null, figures: ['running', 'kvBlocksUsed'] });
    control.report({ waiting: 0 });
    const { figures, reportedAtMs } = reader.read();
    expect(figures).toEqual({
      running: 3,
      waiting: 0,
      kvBlocksUsed: 2 ** 40,
      kvBlocksTotal: Number.NaN,
      prefillTokens: Number.NaN,
    });
    expect(reportedAtMs).toBe(1234.5);
    load.limits(8, 16);
    expect(reader.shape()?.limits).toEqual({ maxConcurrent: 8, maxQueue: 16 });
  });

  test('refuses figures that are none', () => {
    const control = createLoadControl(createLoadBlock(), () => 0);
    for (const bad of [{ running: -1 }, { running: 1.5 }, { waiting: '2' }, { runing: 1 }])
      expect(() => control.report(bad as never)).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
      );
  });
});
