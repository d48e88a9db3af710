import { type Fabric, judgeFabric, NO_FABRIC, stepFabric } from './fabric.js';
import type { GpuDeviceFacts, GpuFacts, XidFacts } from './facts.js';
import type { RawFinding } from './finding.js';
import { judgeLeak, type Leak, NO_LEAK, stepLeak } from './leak.js';
import { EMPTY_LEDGER, type Ledger, type LedgerContext, stepLedger } from './ledger.js';
import { judgeLinks, type Links, NO_LINKS, stepLinks } from './links.js';
import { judgeMemoryErrors, type MemoryErrors, NO_MEMORY_ERRORS, stepMemoryErrors } from './memory-errors.js';
import { judgeOccupancy, NO_OCCUPANCY, type Occupancy, stepOccupancy } from './occupancy.js';
import type { GpuPolicy } from './policy-options.js';
import { judgeQueryErrors, stepQueryErrors } from './query-errors.js';
import { demandFinding, isAway, NO_RECOVERY, type Recovery, stepRecovery } from './recovery.js';
import { judgeSignals } from './signals.js';
import { QUIET, type Sustained } from './sustained.js';
import { judgeThrottling, NO_THROTTLING, stepThrottling, type Throttling } from './throttling.js';
import { judgeXids } from './xid-findings.js';

/** Everything remembered about one GPU or MIG device, by UUID. */
export interface DeviceState {
  /** As last enumerated; `present: false` once it is missing. */
  readonly facts: GpuDeviceFacts;
  readonly ledger: Ledger;
  readonly recovery: Recovery;
  readonly queryErrors: Sustained;
  readonly occupancy: Occupancy;
  readonly throttling: Throttling;
  readonly memoryErrors: MemoryErrors;
  readonly links: Links;
  readonly fabric: Fabric;
  readonly leak: Leak;
}

export function newDevice(facts: GpuDeviceFacts): DeviceState {
  return {
    facts,
    ledger: EMPTY_LEDGER,
    recovery: NO_RECOVERY,
    queryErrors: QUIET,
    occupancy: NO_OCCUPANCY,
    throttling: NO_THROTTLING,
    memoryErrors: NO_MEMORY_ERRORS,
    links: NO_LINKS,
    fabric: NO_FABRIC,
    leak: NO_LEAK,
  };
}

export interface DeviceContext {
  readonly facts: GpuFacts;
  readonly policy: GpuPolicy;
  readonly peersUp: number;
  /** Requests in flight; null where they are not tracked. */
  readonly load: number | null;
  readonly ledger: Omit<LedgerContext, 'recovery'>;
}

/** One observation of a device. While the driver is not answering, only the kernel's lines are news. */
export function stepDevice(
  state: DeviceState,
  device: GpuDeviceFacts,
  rows: readonly XidFacts[],
  context: DeviceContext,
): DeviceState {
  const { facts, policy } = context;
  const { atMs } = facts;
  if (facts.state !== 'ok') {
    const recovery = { ...state.recovery, okSinceMs: null };
    return { ...state, recovery, ledger: stepXids(state, rows, recovery, context) };
  }
  const recovery = stepRecovery(state.recovery, device, rows, facts.generation, atMs);
  const ledger = stepXids(state, rows, recovery, context);
  const queryErrors = stepQueryErrors(state.queryErrors, device, atMs);
  if (isAway(device)) return { ...state, facts: device, recovery, ledger, queryErrors };
  return {
    facts: device,
    ledger,
    recovery,
    queryErrors,
    occupancy: stepOccupancy(state.occupancy, device, policy),
    throttling: stepThrottling(state.throttling, device, policy),
    memoryErrors: stepMemoryErrors(state.memoryErrors, device, recovery, policy, atMs),
    links: stepLinks(state.links, device, context.peersUp, policy),
    fabric: stepFabric(state.fabric, device, policy),
    leak: stepLeak(
      state.leak,
      device.ownMemoryBytes ?? device.memUsedBytes,
      context.load,
      device.ownMemoryBytes === null ? device.fastAtMs : device.slowAtMs,
      policy.leak,
    ),
  };
}

/** Time and the application's reports change what an XID means without any new observation. */
export function settleXids(state: DeviceState, context: Omit<LedgerContext, 'recovery'>): DeviceState {
  const ledger = stepLedger(state.ledger, [], { ...context, recovery: state.recovery });
  return ledger === state.ledger ? state : { ...state, ledger };
}

function stepXids(
  state: DeviceState,
  rows: readonly XidFacts[],
  recovery: Recovery,
  context: DeviceContext,
): Ledger {
  return stepLedger(state.ledger, rows, { ...context.ledger, recovery });
}

export function judgeDevice(
  state: DeviceState,
  facts: GpuFacts,
  policy: GpuPolicy,
  atMs: number,
): readonly RawFinding[] {
  const { recovery } = state;
  const xids = judgeXids(state.ledger, recovery, policy, atMs);
  const demand = demandFinding(recovery);
  const always = demand === null ? xids : [demand, ...xids];
  // The rest is as old as the driver's last answer; `gpu.driver_unresponsive` or a release says so.
  if (facts.state !== 'ok') return always;
  const signals = judgeSignals(state.facts, recovery, policy, atMs);
  if (isAway(state.facts)) return [...always, ...signals];
  const optional = [judgeQueryErrors(state.queryErrors, state.facts), judgeLeak(state.leak)];
  return [
    ...always,
    ...signals,
    ...judgeMemoryErrors(state.memoryErrors, state.facts),
    ...judgeFabric(state.fabric, state.facts),
    ...judgeLinks(state.links, state.facts, policy),
    ...judgeThrottling(state.throttling, policy),
    ...judgeOccupancy(state.occupancy, state.facts),
    ...optional.filter((finding) => finding !== null),
  ];
}
