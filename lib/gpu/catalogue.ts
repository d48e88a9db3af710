import type { GpuAction } from './actions.js';
import { XID_GROUPS } from './catalogue-data.js';

/**
 * Whose fault an XID is. `application`: the context of one process; it decays and never makes the GPU unhealthy.
 * `link`: NVLink, C2C. `gpu`: everything else.
 */
export type XidScope = 'application' | 'gpu' | 'link';

interface XidCommon {
  readonly name: string;
  /** `Y` or `-` for A100, H100, B100, GB200; empty where the source does not say. */
  readonly applies: string;
  /** NVIDIA's buckets, as written there. */
  readonly immediate: string;
  readonly followUp: string;
  readonly action: GpuAction;
  readonly scope: XidScope;
  /** First driver release whose Xid 154 and field 230 accompany it; 0 = ever since it exists. Then "none" overrules it. */
  readonly recoveryActionSince?: number;
  /** Unhealthy although its action class alone would only degrade. */
  readonly unhealthy?: boolean;
  /** Only this many together call for the action; fewer degrade. */
  readonly threshold?: number;
  /** Counts only when no other XID of the GPU is near it in time. */
  readonly solo?: boolean;
  /** The GPU stays degraded until it was reset, whoever met the error. */
  readonly untilReset?: boolean;
  /** "Fatal" or "Nonfatal" in the kernel's line decides. */
  readonly wordDecides?: boolean;
  /** Carries the driver's recovery action. */
  readonly demands?: boolean;
  /** Takes back this XID. */
  readonly cancels?: number;
  /** Explains this XID and says nothing beyond it. */
  readonly detailOf?: number;
  /** `driver`: only in the open kernel driver's list. */
  readonly source?: 'driver';
  readonly note?: string;
}

export interface XidGroup extends XidCommon {
  readonly xids: readonly number[];
}

export interface XidRow extends XidCommon {
  readonly xid: number;
  /** False for a number that the catalogue does not have. */
  readonly known: boolean;
}

/** In the order of the numbers. */
export const XIDS: readonly XidRow[] = XID_GROUPS.flatMap(({ xids, ...common }) =>
  xids.map((xid) => ({ xid, known: true, ...common })),
).sort((a, b) => a.xid - b.xid);

/** Which XID takes back the key. */
export const CANCELLED_BY: ReadonlyMap<number, number> = new Map(
  XIDS.flatMap(({ xid, cancels }) => (cancels === undefined ? [] : [[cancels, xid]])),
);

const BY_NUMBER = new Map(XIDS.map((row) => [row.xid, row]));

/** An XID that nobody has described warns: neither "ignore" nor "unhealthy for ever" has served others well. */
export function xidRow(xid: number): XidRow {
  return (
    BY_NUMBER.get(xid) ?? {
      xid,
      known: false,
      name: 'Unknown XID',
      applies: '',
      immediate: '',
      followUp: '',
      action: 'watch',
      scope: 'gpu',
    }
  );
}
