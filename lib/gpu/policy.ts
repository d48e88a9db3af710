import type { GpuErrorKind } from './app-error.js';
import {
  type Application,
  type ApplicationError,
  NO_APPLICATION,
  stepError,
  stepProgressLost,
  stepRecovered,
  stepRelief,
  stepSuccess,
} from './application.js';
import { type DeviceState, newDevice, settleXids, stepDevice } from './device.js';
import { type Driver, NO_DRIVER, stepDriver } from './driver.js';
import type { GpuDeviceFacts, GpuFacts, XidFacts } from './facts.js';
import type { GpuFinding } from './finding.js';
import { judge } from './judge.js';
import { EMPTY_LEDGER, type Ledger, type LedgerContext, stepLedger } from './ledger.js';
import { linksUp } from './links.js';
import type { GpuPolicy } from './policy-options.js';
import { NO_RECOVERY } from './recovery.js';
import { stepTokens, type TokenCount, type TokenHistory } from './tokens.js';
import { type Selection, selectDevices } from './visible-devices.js';

/** Everything that can change what is wrong with the GPUs. Times are monotonic milliseconds. */
export type GpuEvent =
  /** What the GPU threads know; also to be sent once a second without news, so that time-based rules advance. */
  | { readonly type: 'facts'; readonly facts: GpuFacts }
  /** `health.gpu.reportError`, classified. `ordinal`: CUDA's number of the GPU, if the error named it. */
  | {
      readonly type: 'engine-error';
      readonly atMs: number;
      readonly kind: GpuErrorKind;
      readonly message: string;
      readonly ordinal: number | null;
    }
  /** The engine completed work that needs the GPU, as test requests do, and that had begun at `beganAtMs`. */
  | { readonly type: 'engine-success'; readonly atMs: number; readonly beganAtMs: number }
  /** The engine's process was started anew, or its owner says that what it met is over. */
  | { readonly type: 'engine-recovered'; readonly atMs: number }
  /** Work is in flight and none of it has moved since `atMs`, which is too long. */
  | { readonly type: 'progress-lost'; readonly atMs: number }
  | {
      readonly type: 'load';
      readonly atMs: number;
      /** Requests in flight now; null: not tracked. */
      readonly inFlight: number | null;
      /** Tokens generated so far; null: not tracked. */
      readonly tokens?: number | null;
    }
  | { readonly type: 'tick'; readonly atMs: number };

export interface GpuPolicyState {
  readonly policy: GpuPolicy;
  readonly atMs: number;
  readonly facts: GpuFacts | null;
  readonly selection: Selection;
  /** By UUID, in the order of discovery. */
  readonly devices: Readonly<Record<string, DeviceState>>;
  /** XIDs of a GPU that was never enumerated. */
  readonly unplaced: Ledger;
  readonly driver: Driver;
  readonly application: Application;
  readonly load: number | null;
  readonly tokens: TokenHistory;
}

export interface GpuStep {
  readonly state: GpuPolicyState;
  /** Worst first. */
  readonly findings: readonly GpuFinding[];
}

export function initialGpuState(policy: GpuPolicy): GpuPolicyState {
  return {
    policy,
    atMs: 0,
    facts: null,
    selection: selectDevices(policy.visible, []),
    devices: {},
    unplaced: EMPTY_LEDGER,
    driver: NO_DRIVER,
    application: NO_APPLICATION,
    load: null,
    tokens: [],
  };
}

/** Pure: the same state and event give the same result. */
export function stepGpu(state: GpuPolicyState, event: GpuEvent): GpuStep {
  const next = applyGpu(state, event);
  return { state: next, findings: judge(next) };
}

/** The state alone, where another event follows at once. */
export function applyGpu(before: GpuPolicyState, event: GpuEvent): GpuPolicyState {
  // Events of several threads may arrive slightly out of order; time does not go back for that.
  const atMs = Math.max(before.atMs, event.type === 'facts' ? event.facts.atMs : event.atMs);
  const state = { ...before, atMs };
  switch (event.type) {
    case 'facts':
      return observe(state, event.facts);
    case 'engine-error':
      return settle({
        ...state,
        application: stepError(state.application, placed(state, event), state.policy),
      });
    case 'engine-success':
      return settle({
        ...state,
        application: stepSuccess(state.application, event.beganAtMs, state.policy),
      });
    case 'engine-recovered':
      return settle({ ...state, application: stepRecovered(state.application, event.atMs) });
    case 'progress-lost':
      return settle({ ...state, application: stepProgressLost(state.application, event.atMs) });
    case 'load':
      return {
        ...state,
        load: event.inFlight,
        tokens: stepTokens(state.tokens, countOf(event, atMs), state.facts?.stuckSinceMs ?? null),
      };
    case 'tick':
      return settle(state);
  }
}

function countOf({ tokens, inFlight }: Extract<GpuEvent, { type: 'load' }>, atMs: number): TokenCount | null {
  return tokens === undefined || tokens === null ? null : { atMs, tokens, inFlight: inFlight ?? 0 };
}

/** The GPU of an error: the one that it names, else the only one in use. */
function placed(
  { selection }: GpuPolicyState,
  { atMs, kind, message, ordinal }: Extract<GpuEvent, { type: 'engine-error' }>,
): ApplicationError {
  const { ordinals } = selection;
  const uuid = ordinal === null ? (ordinals.length === 1 ? ordinals[0] : null) : ordinals[ordinal];
  return { atMs, kind, message, uuid: uuid ?? null };
}

function observe(state: GpuPolicyState, facts: GpuFacts): GpuPolicyState {
  const { policy } = state;
  const driver = stepDriver(state.driver, facts);
  const known = withMissing(state, facts);
  const rowsByGpu = byGpu(facts.xids);
  const selection = selectDevices(policy.visible, known);
  const application = stepRelief(
    state.application,
    known.filter(({ uuid }) => selection.used.has(uuid)),
    policy,
    state.atMs,
  );
  const next = { ...state, facts, driver, selection, application };
  const devices: Record<string, DeviceState> = {};
  for (const device of known) {
    const before = state.devices[device.uuid] ?? newDevice(device);
    devices[device.uuid] = stepDevice(before, device, rowsByGpu.get(device.uuid) ?? [], {
      facts: { ...facts, atMs: state.atMs },
      policy,
      peersUp: peersUp(device, known),
      load: state.load,
      ledger: ledgerContext(next, device),
    });
  }
  const unplaced = stepLedger(state.unplaced, merged(rowsByGpu.get(null) ?? []), {
    ...ledgerContext(next, null),
    recovery: NO_RECOVERY,
  });
  return { ...next, devices, unplaced };
}

/** The devices of the facts, and those remembered that the driver no longer lists. */
function withMissing(state: GpuPolicyState, facts: GpuFacts): readonly GpuDeviceFacts[] {
  const missing = Object.values(state.devices)
    .map(({ facts: last }) => last)
    .filter((last) => !facts.gpus.some(({ uuid }) => uuid === last.uuid))
    // MIG devices come and go by configuration; only one that this process uses can be missed.
    .filter((last) => !last.isMig || state.selection.used.has(last.uuid))
    .map((last) => (facts.state === 'ok' ? { ...last, present: false, lastReturn: null } : last));
  return [...facts.gpus, ...missing];
}

function byGpu(rows: readonly XidFacts[]): ReadonlyMap<string | null, readonly XidFacts[]> {
  const map = new Map<string | null, XidFacts[]>();
  for (const row of rows) {
    if (row.isSxid) continue;
    const list = map.get(row.uuid);
    if (list === undefined) map.set(row.uuid, [row]);
    else list.push(row);
  }
  return map;
}

/** Several unknown GPUs may have met the same XID. */
function merged(rows: readonly XidFacts[]): readonly XidFacts[] {
  const byXid = new Map<number, XidFacts>();
  for (const row of rows) {
    const other = byXid.get(row.xid);
    byXid.set(
      row.xid,
      other === undefined
        ? row
        : {
            ...row,
            count: row.count + other.count,
            ownCount: row.ownCount + other.ownCount,
            firstAtMs: Math.min(row.firstAtMs, other.firstAtMs),
            lastAtMs: Math.max(row.lastAtMs, other.lastAtMs),
          },
    );
  }
  return [...byXid.values()];
}

function peersUp(device: GpuDeviceFacts, known: readonly GpuDeviceFacts[]): number {
  const peers = known.filter(
    (other) => other.uuid !== device.uuid && other.name !== null && other.name === device.name,
  );
  // One peer with more links may be bridged on purpose; when all others agree it is this GPU that differs.
  return peers.length < 2 ? 0 : Math.min(...peers.map(linksUp));
}

function ledgerContext(
  state: GpuPolicyState,
  device: GpuDeviceFacts | null,
): Omit<LedgerContext, 'recovery'> {
  const { facts, application, policy, atMs, selection } = state;
  const used = device === null || selection.used.has(device.uuid);
  return {
    atMs,
    policy,
    driverMajor: majorOf(facts?.driverVersion ?? null),
    own: {
      ownPids: facts?.ownPids ?? [],
      pidsComparable: facts?.pidsComparable ?? false,
      soleUser: device !== null && device.processCount === 1 && (device.ownMemoryBytes ?? 0) > 0,
      troubleAtMs: used ? application.troubleAtMs : [],
    },
    successesBeganAtMs: application.successesBeganAtMs,
    recoveredAtMs: application.recoveredAtMs,
  };
}

function majorOf(version: string | null): number | null {
  const major = Number.parseInt(version ?? '', 10);
  return Number.isNaN(major) ? null : major;
}

function settle(state: GpuPolicyState): GpuPolicyState {
  const devices = Object.fromEntries(
    Object.entries(state.devices).map(([uuid, device]) => [
      uuid,
      settleXids(device, ledgerContext(state, device.facts)),
    ]),
  );
  return { ...state, devices };
}
