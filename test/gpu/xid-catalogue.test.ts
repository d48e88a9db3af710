import { describe, expect, it } from 'vitest';
import type { GpuAction } from '../../lib/gpu/actions.js';
import { XIDS, xidRow } from '../../lib/gpu/catalogue.js';
import { OWN_PID, scenario } from './policy-scenario.js';

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** Written from NVIDIA's sheet and the driver's header, not from our data. */
const APPLICATION = [
  8,
  11,
  13,
  25,
  31,
  32,
  39,
  40,
  41,
  43,
  45,
  60,
  68,
  69,
  70,
  71,
  72,
  75,
  76,
  77,
  80,
  82,
  83,
  84,
  85,
  86,
  88,
  89,
  94,
  ...range(96, 105),
  ...range(126, 135),
  137,
  139,
  174,
];
const RESET = [
  46, 48, 62, 64, 74, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158, 166, 169, 170, 171, 172, 175,
];
const BY_WORD = range(144, 150);
const REBOOT = [79, 151, 167, 173];
const CONTACT = [54, 78, 142, 157, 165, 168];
const IGNORE = [106, 107, 154, 162];
const WATCH = [14, 37, 38, 44, 63, 66, 67, 92, 93, 108, 121, 141, 152, 153, 159, 160, 161, 163, 164, 176];
const UNUSED = [
  ...range(1, 7),
  9,
  10,
  12,
  ...range(15, 24),
  ...range(26, 30),
  ...range(33, 36),
  42,
  47,
  ...range(49, 53),
  ...range(55, 59),
  61,
  65,
  73,
  81,
  87,
  90,
  91,
  ...range(111, 118),
  ...range(122, 125),
  138,
];

interface Expected {
  readonly xid: number;
  readonly action: GpuAction;
  readonly severity: 'degraded' | 'unhealthy';
  readonly times?: number;
  readonly fatal?: boolean;
}
const expected: readonly Expected[] = [
  ...RESET.map(
    (xid) => ({ xid, action: 'reset', severity: 'unhealthy', times: xid === 119 ? 3 : 1 }) as const,
  ),
  ...BY_WORD.map((xid) => ({ xid, action: 'reset', severity: 'unhealthy', fatal: true }) as const),
  ...BY_WORD.map((xid) => ({ xid, action: 'watch', severity: 'degraded', fatal: false }) as const),
  ...REBOOT.map((xid) => ({ xid, action: 'reboot', severity: 'unhealthy' }) as const),
  ...CONTACT.map(
    (xid) => ({ xid, action: 'contact', severity: xid === 54 ? 'unhealthy' : 'degraded' }) as const,
  ),
  ...[...WATCH, ...UNUSED].map((xid) => ({ xid, action: 'watch', severity: 'degraded' }) as const),
];

describe('the XID catalogue', () => {
  it('has every number from 1 to 176 once', () => {
    expect(XIDS.map(({ xid }) => xid)).toEqual(range(1, 176));
    const listed = [
      ...APPLICATION,
      ...RESET,
      ...BY_WORD,
      ...REBOOT,
      ...CONTACT,
      ...IGNORE,
      ...WATCH,
      ...UNUSED,
    ];
    expect(listed.sort((a, b) => a - b)).toEqual(range(1, 176));
  });

  it('names the release since which a recovery action accompanies a reset-class XID', () => {
    const since = (xid: number): number | undefined => xidRow(xid).recoveryActionSince;
    expect([48, 62, 63, 64, 74, 79, 94, 95, 110, 120, 136].map(since)).toEqual(Array(11).fill(565));
    expect([109, 143, 158, 119, 46].map(since)).toEqual([570, 575, 0, undefined, undefined]);
  });

  it.each(expected)(
    'Xid $xid (fatal: $fatal) asks for $action and is $severity',
    ({ xid, action, severity, times, fatal }) => {
      const host = scenario();
      host.xid(xid, { ...(times === undefined ? {} : { times }), fatal: fatal ?? null });
      expect(host.findings()).toMatchObject([
        {
          code: `gpu.xid.${xid}`,
          uuid: host.state().facts?.gpus[0]?.uuid,
          index: 0,
          used: true,
          action,
          severity,
          restartHelps: false,
          gating: severity === 'unhealthy',
          sinceMs: host.now(),
        },
      ]);
    },
  );

  it.each(APPLICATION)('Xid %i makes readiness false only for the process that met it', (xid) => {
    const own = scenario();
    own.xid(xid, { pid: OWN_PID });
    expect(own.find(`gpu.xid.${xid}`)).toMatchObject({
      action: 'restart',
      severity: 'unhealthy',
      restartHelps: true,
      gating: true,
    });

    const foreign = scenario();
    foreign.xid(xid, { pid: 77 });
    if (xid === 94) {
      // What is contained in the GPU's memory stays there until a reset.
      expect(foreign.findings()).toMatchObject([
        { code: 'gpu.xid.94', severity: 'degraded', action: 'reset', gating: false },
      ]);
    } else {
      expect(foreign.findings()).toEqual([]);
    }

    const unknown = scenario();
    unknown.xid(xid);
    expect(unknown.find(`gpu.xid.${xid}`)).toMatchObject({ severity: 'degraded', gating: false });
  });

  it.each(IGNORE)('Xid %i alone is no finding', (xid) => {
    const host = scenario();
    host.xid(xid);
    expect(host.findings()).toEqual([]);
  });

  it('warns about a number that nobody has described', () => {
    const host = scenario();
    host.xid(999);
    expect(host.findings()).toMatchObject([
      { code: 'gpu.xid.999', severity: 'degraded', action: 'watch', gating: false },
    ]);
  });
});
