import type { GpuSeverity } from './actions.js';
import { CANCELLED_BY, type XidRow, xidRow } from './catalogue.js';
import type { XidFacts } from './facts.js';
import type { GpuPolicy, XidOverride } from './policy-options.js';
import { isOverruled, isRecovered, type Recovery } from './recovery.js';

/** Whose process met an application XID. */
export type XidOwner = 'own' | 'foreign' | 'unknown';

/** All that counts of one XID on one GPU, however often it came. */
export interface XidEntry {
  readonly xid: number;
  /** The native count already taken into account. */
  readonly seen: number;
  /** Since the fault was last forgotten. */
  readonly count: number;
  readonly sinceMs: number;
  readonly lastAtMs: number;
  readonly fatal: boolean | null;
  readonly pid: number | null;
  readonly owner: XidOwner;
  /** Occurrences that named this process and are taken into account, whichever came last. */
  readonly seenOwn: number;
  /** Cured, by evidence or by taking it back; the next occurrence starts anew. */
  readonly cleared: boolean;
  /** The driver said, after it, that nothing needs to be done. */
  readonly overruled: boolean;
  /** Processes that met it, latest last; for suspicion. */
  readonly visits: readonly Visit[];
}

export interface Visit {
  readonly pid: number | null;
  readonly own: boolean;
  readonly atMs: number;
}

export type Ledger = Readonly<Record<number, XidEntry>>;

export const EMPTY_LEDGER: Ledger = {};

/** The native table has 256 rows for all GPUs together; numbers beyond that come from damaged lines. */
const MAX_ENTRIES = 256;
const MAX_VISITS = 16;
/** Channel errors come in bursts, one event per channel: one visit. */
const BURST_MS = 60_000;

/** What the ledger needs to know about the process to say whose an XID is. */
export interface OwnershipFacts {
  readonly ownPids: readonly number[];
  readonly pidsComparable: boolean;
  /** The GPU's only process is this one. */
  readonly soleUser: boolean;
  /** Times of own engine errors that poison a context, and of lost progress. */
  readonly troubleAtMs: readonly number[];
}

export interface LedgerContext {
  readonly atMs: number;
  readonly policy: GpuPolicy;
  readonly recovery: Recovery;
  readonly driverMajor: number | null;
  readonly own: OwnershipFacts;
  /** Began-at times of the latest pieces of GPU work that succeeded; as many as prove that the context works. */
  readonly successesBeganAtMs: readonly number[];
  /** When the engine last had a new start; what its context met before is over. */
  readonly recoveredAtMs: number | null;
}

export interface XidRule extends XidRow {
  readonly severity?: GpuSeverity;
  /** The user decided; the driver's "none" changes nothing. */
  readonly configured?: boolean;
}

export function ruleOf(xid: number, policy: GpuPolicy): XidRule {
  const row = xidRow(xid);
  const given = policy.xids[xid];
  if (given === undefined) return row;
  const override: XidOverride = typeof given === 'string' ? { action: given } : given;
  const action = override.action ?? row.action;
  const { threshold = row.threshold } = override;
  const scope =
    override.action === undefined
      ? row.scope
      : override.action === 'restart'
        ? 'application'
        : row.scope === 'application'
          ? 'gpu'
          : row.scope;
  return {
    ...row,
    action,
    scope,
    ...(threshold === undefined ? {} : { threshold }),
    ...(override.action === undefined ? {} : { wordDecides: false, solo: false, untilReset: false }),
    ...(override.severity === undefined ? {} : { severity: override.severity }),
    configured: true,
  };
}

export function stepLedger(ledger: Ledger, rows: readonly XidFacts[], context: LedgerContext): Ledger {
  let next: Record<number, XidEntry> | null = null;
  let size = Object.keys(ledger).length;
  for (const row of rows) {
    const before = ledger[row.xid];
    if (before === undefined) {
      if (size >= MAX_ENTRIES) continue;
      size += 1;
    }
    const entry = record(before, row, context);
    if (entry === before) continue;
    next ??= { ...ledger };
    next[row.xid] = entry;
  }
  for (const entry of Object.values(next ?? ledger)) {
    const settled = settle(entry, next ?? ledger, context);
    if (settled === entry) continue;
    next ??= { ...ledger };
    next[entry.xid] = settled;
  }
  return next ?? ledger;
}

function record(before: XidEntry | undefined, row: XidFacts, context: LedgerContext): XidEntry {
  const { count, lastAtMs, pid } = row;
  if (before !== undefined && count === before.seen) {
    // The kernel's line may arrive after the event that it describes, and only it names the process.
    if (pid === before.pid && row.fatal === before.fatal && row.ownCount === before.seenOwn) return before;
    return {
      ...before,
      pid: pid ?? before.pid,
      fatal: row.fatal ?? before.fatal,
      // A line that names another process corrects what was only guessed, not what an earlier line said.
      owner: before.owner === 'own' && before.seenOwn > 0 ? 'own' : ownerOf(before, row, context),
      seenOwn: row.ownCount,
    };
  }
  // A smaller count means that the native table started anew.
  const added = before === undefined || count < before.seen ? count : count - before.seen;
  const fresh = before === undefined || before.cleared;
  const owner = before?.owner === 'own' && !before.cleared ? 'own' : ownerOf(before, row, context);
  return {
    xid: row.xid,
    seen: count,
    count: (fresh ? 0 : before.count) + added,
    sinceMs: fresh ? (added === count ? row.firstAtMs : lastAtMs) : before.sinceMs,
    lastAtMs,
    fatal: row.fatal ?? (fresh ? null : before.fatal),
    pid,
    owner,
    seenOwn: row.ownCount,
    cleared: false,
    overruled: false,
    visits: withVisit(before?.visits ?? [], { pid, own: owner === 'own', atMs: lastAtMs }),
  };
}

function withVisit(visits: XidEntry['visits'], visit: Visit): XidEntry['visits'] {
  const last = visits.at(-1);
  if (last !== undefined && last.pid === visit.pid && visit.atMs - last.atMs < BURST_MS) return visits;
  return [...visits, visit].slice(-MAX_VISITS);
}

function ownerOf(before: XidEntry | undefined, row: XidFacts, { own, policy }: LedgerContext): XidOwner {
  if (row.ownCount > (before?.seenOwn ?? 0) || (row.pid !== null && own.ownPids.includes(row.pid)))
    return 'own';
  if (row.pid !== null && own.pidsComparable) return 'foreign';
  if (own.soleUser) return 'own';
  return own.troubleAtMs.some((atMs) => Math.abs(atMs - row.lastAtMs) <= policy.correlationMs)
    ? 'own'
    : 'unknown';
}

/** What time and evidence change about an entry that did not occur again. */
function settle(entry: XidEntry, ledger: Ledger, context: LedgerContext): XidEntry {
  if (entry.cleared) return entry;
  const { atMs, policy, recovery, own } = context;
  const rule = ruleOf(entry.xid, policy);
  // A reset ends contexts and repairs none: our own has to prove itself.
  const mayReset = rule.scope !== 'application' || entry.owner !== 'own';
  if (mayReset && isRecovered(recovery, entry.lastAtMs, atMs, policy.recoveryStableMs)) {
    return { ...entry, cleared: true };
  }
  const canceller = ledger[CANCELLED_BY.get(entry.xid) ?? -1];
  if (canceller !== undefined && canceller.lastAtMs >= entry.lastAtMs) return { ...entry, cleared: true };

  if (rule.scope === 'application') {
    const { recoveredAtMs } = context;
    if (entry.owner !== 'foreign' && recoveredAtMs !== null && entry.lastAtMs <= recoveredAtMs)
      return over(entry, rule);
    if (entry.owner === 'unknown') {
      const ours = own.troubleAtMs.some((at) => Math.abs(at - entry.lastAtMs) <= policy.correlationMs);
      return ours ? { ...entry, owner: 'own' } : entry;
    }
    if (entry.owner !== 'own') return entry;
    const { successesBeganAtMs } = context;
    const works =
      successesBeganAtMs.length >= policy.recoverySuccesses &&
      successesBeganAtMs.every((beganAtMs) => beganAtMs > entry.lastAtMs);
    // The engine child that met it has ended, and its broken context with it.
    const ended =
      entry.pid !== null &&
      own.pidsComparable &&
      !own.ownPids.includes(entry.pid) &&
      atMs - entry.lastAtMs >= policy.recoveryStableMs;
    if (!works && !ended) return entry;
    return over(entry, rule);
  }

  const since = rule.recoveryActionSince;
  const said =
    rule.configured !== true &&
    since !== undefined &&
    (context.driverMajor ?? 0) >= since &&
    recovery.okSinceMs !== null;
  if (said && !entry.overruled && isOverruled(recovery, entry.lastAtMs)) return { ...entry, overruled: true };
  return entry;
}

/** No longer this process's; what stays in the GPU's memory until a reset stays a finding. */
function over(entry: XidEntry, rule: XidRule): XidEntry {
  return rule.untilReset ? { ...entry, owner: 'foreign' } : { ...entry, cleared: true };
}
