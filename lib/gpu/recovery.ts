import { recoveryAction } from './actions.js';
import type { GpuDeviceFacts, XidFacts } from './facts.js';
import type { RawFinding } from './finding.js';

const XID_ACTION_CHANGED = 154;
const RETURN = { lost: 15, resetRequired: 16, notFound: 28 } as const;

/** What the driver asks for, and what proves that it has been done. */
export interface Recovery {
  /** Null: nothing. */
  readonly demand: { readonly value: number; readonly atMs: number } | null;
  /** The latest reading of field 230. */
  readonly read: { readonly value: number; readonly atMs: number } | null;
  /** The last two readings in a row that said "none". */
  readonly none: { readonly lastAtMs: number; readonly previousAtMs: number | null } | null;
  /** Count of Xid 154 already taken into account. */
  readonly changes: number;
  readonly generation: number | null;
  /** Nanosecond counters that only a newly loaded GPU starts from zero. */
  readonly throttledNs: number | null;
  /** When a generation began whose GPU has not yet proved that it was reset. */
  readonly reopenedAtMs: number | null;
  readonly awaySinceMs: number | null;
  /** When it was last seen to answer again. */
  readonly returnedAtMs: number | null;
  /** When the latest evidence of a reset was seen. */
  readonly resetAtMs: number | null;
  /** Since when it has answered without a break. */
  readonly okSinceMs: number | null;
}

export const NO_RECOVERY: Recovery = {
  demand: null,
  read: null,
  none: null,
  changes: 0,
  generation: null,
  throttledNs: null,
  reopenedAtMs: null,
  awaySinceMs: null,
  returnedAtMs: null,
  resetAtMs: null,
  okSinceMs: null,
};

/** Lost, vanished, or refusing to work until it is reset. */
export function isAway(device: GpuDeviceFacts): boolean {
  const { lastReturn } = device;
  return (
    !device.present ||
    device.lost ||
    lastReturn === RETURN.lost ||
    lastReturn === RETURN.notFound ||
    lastReturn === RETURN.resetRequired
  );
}

export function needsReset(device: GpuDeviceFacts): boolean {
  return device.present && device.lastReturn === RETURN.resetRequired;
}

export function stepRecovery(
  state: Recovery,
  device: GpuDeviceFacts,
  rows: readonly XidFacts[],
  generation: number,
  atMs: number,
): Recovery {
  const away = isAway(device);
  let next: Recovery = { ...state, generation };
  if (state.generation !== null && generation !== state.generation) next = { ...next, reopenedAtMs: atMs };
  next = takeChange(next, rows);
  next = away ? next : takeReading(next, device, atMs);
  if (away) return { ...next, awaySinceMs: next.awaySinceMs ?? atMs, okSinceMs: null };
  if (device.lastReturn !== 0) return { ...next, okSinceMs: null };

  const { throttledNs } = device.lost ? state : { throttledNs: sumOf(device) };
  const cameBack = state.awaySinceMs !== null;
  const counterFell =
    state.throttledNs !== null && throttledNs !== null && throttledNs < state.throttledNs / 2;
  const { none, reopenedAtMs } = next;
  const startedAnew =
    reopenedAtMs !== null && (counterFell || (none !== null && none.lastAtMs > reopenedAtMs));
  const evidence = cameBack || startedAnew;
  return {
    ...next,
    throttledNs: throttledNs ?? state.throttledNs,
    reopenedAtMs: evidence ? null : reopenedAtMs,
    awaySinceMs: null,
    returnedAtMs: cameBack ? atMs : next.returnedAtMs,
    resetAtMs: evidence ? atMs : next.resetAtMs,
    okSinceMs: next.okSinceMs ?? atMs,
  };
}

/** True once a fault of `faultAtMs` has been cured, by evidence: a reset was seen after it and the GPU has answered since. */
export function isRecovered(state: Recovery, faultAtMs: number, atMs: number, stableMs: number): boolean {
  const { resetAtMs, okSinceMs, demand } = state;
  if (resetAtMs === null || okSinceMs === null || demand !== null || resetAtMs < faultAtMs) return false;
  return atMs - Math.max(resetAtMs, okSinceMs) >= stableMs;
}

/** True once field 230 has said "none" twice after the fault: the driver does not think that it needs anything. */
export function isOverruled({ none, demand }: Recovery, faultAtMs: number): boolean {
  return demand === null && none !== null && none.previousAtMs !== null && none.previousAtMs > faultAtMs;
}

export function demandFinding(state: Recovery): RawFinding | null {
  const wanted = state.demand === null ? null : recoveryAction(state.demand.value);
  if (wanted === null || state.demand === null) return null;
  return {
    code: 'gpu.recovery_required',
    severity: wanted.severity,
    action: wanted.action,
    message: `The driver asks for: ${wanted.name}`,
    sinceMs: state.demand.atMs,
  };
}

function takeChange(state: Recovery, rows: readonly XidFacts[]): Recovery {
  const row = rows.find(({ xid }) => xid === XID_ACTION_CHANGED);
  if (row === undefined || row.toAction === null || row.count === state.changes) return state;
  const changed = { ...state, changes: row.count };
  // A reading taken after the kernel's line is the newer word.
  if (state.read !== null && state.read.atMs > row.lastAtMs) return changed;
  return settle({ ...changed, none: null }, row.toAction, row.lastAtMs);
}

function takeReading(state: Recovery, device: GpuDeviceFacts, atMs: number): Recovery {
  const { recoveryAction: value, mediumAtMs } = device;
  if (value === null) return state;
  const { read: before } = state;
  const isNew = mediumAtMs !== null && (before === null || mediumAtMs > before.atMs);
  if (!isNew && before !== null && before.value === value) return state;
  const readAtMs = isNew ? mediumAtMs : atMs;
  const none = value === 0 ? { lastAtMs: readAtMs, previousAtMs: state.none?.lastAtMs ?? null } : null;
  const read = { value, atMs: readAtMs };
  // A reading older than the demand says nothing about it.
  if (state.demand !== null && readAtMs <= state.demand.atMs && value === 0) return { ...state, read };
  return settle({ ...state, read, none }, value, readAtMs);
}

function settle(state: Recovery, value: number, atMs: number): Recovery {
  if (value !== 0) {
    const same = state.demand?.value === value;
    return { ...state, demand: { value, atMs: same ? (state.demand?.atMs ?? atMs) : atMs } };
  }
  return state.demand === null ? state : { ...state, demand: null, resetAtMs: atMs };
}

function sumOf(device: GpuDeviceFacts): number | null {
  const parts = [device.powerViolationNs, device.thermalViolationNs, device.hwSlowdownNs];
  const known = parts.filter((part) => part !== null);
  return known.length === 0 ? null : known.reduce((sum, part) => sum + part, 0);
}
