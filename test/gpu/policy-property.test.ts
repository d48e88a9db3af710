import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyGpuError } from '../../lib/gpu/app-error.js';
import { XIDS, xidRow } from '../../lib/gpu/catalogue.js';
import type { GpuDeviceFacts, XidFacts } from '../../lib/gpu/facts.js';
import type { GpuFinding } from '../../lib/gpu/finding.js';
import { type GpuEvent, type GpuPolicyState, initialGpuState, stepGpu } from '../../lib/gpu/policy.js';
import { DEFAULT_GPU_POLICY } from '../../lib/gpu/policy-options.js';
import { healthyDevice, OWN_PID, scenario, uuidOf, xidFacts } from './policy-scenario.js';

const RUNS = { numRuns: 100 };
const MINUTE = 60_000;

const APPLICATION = XIDS.filter(({ scope }) => scope === 'application').map(({ xid }) => xid);
const HARD = XIDS.filter(
  ({ scope, action, threshold, wordDecides, recoveryActionSince }) =>
    scope !== 'application' &&
    (action === 'reset' || action === 'reboot') &&
    threshold === undefined &&
    wordDecides === undefined &&
    recoveryActionSince === undefined,
).map(({ xid }) => xid);

/** Any value that a driver could give, and many that none should. */
const number = fc.oneof(
  fc.constant(null),
  fc.integer({ min: -5, max: 1000 }),
  fc.double({ min: 0, max: 1e15, noNaN: true }),
);
const flag = fc.option(fc.boolean());
const time = fc.option(fc.integer({ min: 0, max: 500_000 }));

const device = (index: number): fc.Arbitrary<GpuDeviceFacts> => {
  const { uuid, name } = healthyDevice(index);
  const shape: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [key, value] of Object.entries(healthyDevice(index))) {
    shape[key] = key.endsWith('AtMs') ? time : typeof value === 'boolean' ? flag : number;
  }
  return fc.record({
    ...shape,
    uuid: fc.constant(uuid),
    name: fc.constant(name),
    index: fc.integer({ min: 0, max: 3 }),
    isMig: fc.boolean(),
    present: fc.boolean(),
    lost: fc.boolean(),
    parentUuid: fc.option(fc.constant(uuidOf(0))),
    lastReturn: fc.option(fc.constantFrom(0, 1, 3, 4, 9, 15, 16, 17, 28, 999)),
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<GpuDeviceFacts>;
};

const row: fc.Arbitrary<XidFacts> = fc.record({
  uuid: fc.constantFrom(uuidOf(0), uuidOf(1), null),
  xid: fc.integer({ min: 0, max: 200 }),
  isSxid: fc.boolean(),
  count: fc.integer({ min: 0, max: 1e6 }),
  firstAtMs: fc.integer({ min: 0, max: 500_000 }),
  lastAtMs: fc.integer({ min: 0, max: 500_000 }),
  sources: fc.integer({ min: 0, max: 15 }),
  pid: fc.option(fc.constantFrom(1, 77, OWN_PID)),
  ownCount: fc.integer({ min: 0, max: 3 }),
  toAction: fc.option(fc.integer({ min: 0, max: 9 })),
  fatal: flag,
});

const event: fc.Arbitrary<GpuEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('facts' as const),
      facts: fc.record({
        atMs: fc.integer({ min: 0, max: 500_000 }),
        state: fc.constantFrom('off', 'none', 'starting', 'ok', 'ok', 'ok', 'unresponsive', 'released'),
        noneReason: fc.option(
          fc.constantFrom('library_missing', 'version_mismatch', 'access_lost', 'init_failed'),
        ),
        generation: fc.integer({ min: 0, max: 3 }),
        count: number,
        inventoryCount: number,
        driverVersion: fc.option(fc.constantFrom('595.45.04', '535.54', 'x', '')),
        libraryMismatch: flag,
        accessLost: flag,
        stuckSinceMs: time,
        stuckCall: fc.option(fc.constant('nvmlInit_v2')),
        ownPids: fc.constant([OWN_PID]),
        pidsComparable: fc.boolean(),
        gpus: fc.tuple(device(0), device(1)).chain((both) => fc.subarray(both)),
        xids: fc.array(row, { maxLength: 8 }),
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('engine-error' as const),
      atMs: fc.integer({ min: 0, max: 500_000 }),
      kind: fc.constantFrom('oom', 'illegal_access', 'internal', 'lost', 'unavailable', 'ecc'),
      message: fc.string(),
      ordinal: fc.option(fc.integer({ min: 0, max: 4 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('tick' as const, 'progress-lost' as const),
      atMs: fc.integer({ min: 0, max: 500_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('engine-success' as const),
      atMs: fc.integer({ min: 0, max: 500_000 }),
      beganAtMs: fc.integer({ min: 0, max: 500_000 }),
    }),
  },
) as fc.Arbitrary<GpuEvent>;

function run(events: readonly GpuEvent[]): { state: GpuPolicyState; findings: readonly GpuFinding[][] } {
  let state = initialGpuState({ ...DEFAULT_GPU_POLICY, visible: { devices: [uuidOf(0)] } });
  const findings = events.map((next) => {
    const step = stepGpu(state, next);
    ({ state } = step);
    return [...step.findings];
  });
  return { state, findings };
}

describe('whatever the driver, the kernel log and the engine say', () => {
  it('a step gives a result, the same for the same events, and no finding is from the future', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const first = run(events);
        expect(run(events)).toEqual(first);
        for (const finding of first.findings.at(-1) ?? []) {
          expect(finding.code).toMatch(/^gpu\.[a-z_]+(\.\d+)?$/);
          expect(Number.isFinite(finding.sinceMs)).toBe(true);
          expect(finding.message).not.toMatch(/NaN|undefined|Infinity/);
          expect(finding.action).not.toBe('ignore');
        }
      }),
      RUNS,
    );
  });

  it('a GPU that is not used never gates', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const gating = run(events)
          .findings.flat()
          .filter((finding) => finding.gating);
        expect(gating.filter(({ used }) => !used)).toEqual([]);
      }),
      RUNS,
    );
  });

  it('the state stays bounded', () => {
    const many = Array.from({ length: 400 }, (_, at) => at);
    const events: GpuEvent[] = many.map((at) => ({
      type: 'facts',
      facts: {
        ...scenario().state().facts!,
        atMs: at * 1000,
        gpus: [{ ...healthyDevice(0), fastAtMs: at * 1000, mediumAtMs: at * 1000 }],
        xids: many.map((xid) => xidFacts(xid * 7 + (at % 7), at * 1000, { count: at + 1, pid: at })),
      },
    }));
    const half = JSON.stringify(run(events.slice(0, 200)).state).length;
    const { state } = run(events);
    expect(JSON.stringify(state).length).toBeLessThan(half * 1.5);
    expect(Object.keys(state.devices[uuidOf(0)]!.ledger)).toHaveLength(256);
  }, 60_000);
});

describe('XIDs', () => {
  it('of foreign and unknown processes never make a GPU unhealthy, in any number and order', () => {
    const burst = fc.record({
      xid: fc.constantFrom(...APPLICATION),
      pid: fc.option(fc.integer({ min: 5000, max: 5010 })),
      times: fc.integer({ min: 1, max: 5000 }),
      waitMs: fc.integer({ min: 0, max: 20 * MINUTE }),
    });
    fc.assert(
      fc.property(fc.array(burst, { maxLength: 12 }), (bursts) => {
        const host = scenario({ stepMs: 5 * MINUTE });
        for (const { xid, pid, times, waitMs } of bursts) {
          host.xid(xid, { pid, times });
          expect(
            host.findings().filter(({ severity, gating }) => severity === 'unhealthy' || gating),
          ).toEqual([]);
          host.advance(waitMs);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('that need a reset are not forgotten by waiting', () => {
    fc.assert(
      fc.property(fc.constantFrom(...HARD), fc.integer({ min: 1, max: 72 }), (xid, hours) => {
        const host = scenario({ stepMs: 30 * MINUTE });
        host.xid(xid);
        host.advance(hours * 60 * MINUTE);
        expect(host.find(`gpu.xid.${xid}`)).toMatchObject({ severity: 'unhealthy', gating: true });
      }),
      { numRuns: 40 },
    );
  });

  it('delivered twice, or counted in pieces, say the same', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 180 }), pieces, (xid, counts) => {
        const inPieces = scenario();
        for (const times of counts) {
          inPieces.xid(xid, { times });
          inPieces.xid(xid, { times: 0 });
        }
        const atOnce = scenario();
        atOnce.xid(xid, { times: counts.reduce((sum, times) => sum + times, 0) });
        expect(inPieces.findings()).toEqual(atOnce.findings());
      }),
      RUNS,
    );
  });

  it('of any number have a row', () => {
    fc.assert(
      fc.property(fc.integer(), (xid) => {
        expect(xidRow(xid).xid).toBe(xid);
      }),
    );
  });
});

it('any text is classified or left alone, without throwing', () => {
  fc.assert(
    fc.property(fc.anything(), fc.string(), (value, text) => {
      for (const result of [
        classifyGpuError(value),
        classifyGpuError(text),
        classifyGpuError(new Error(text)),
      ]) {
        if (result !== null) expect(result.message.length).toBeLessThanOrEqual(200);
      }
    }),
  );
});
