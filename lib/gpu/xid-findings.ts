import { type GpuSeverity, recoveryAction } from './actions.js';
import { xidRow } from './catalogue.js';
import type { RawFinding } from './finding.js';
import { type Ledger, ruleOf, type XidEntry, type XidRule } from './ledger.js';
import type { GpuPolicy } from './policy-options.js';
import type { Recovery } from './recovery.js';

/** An XID that came together with others is a consequence of them. */
const TOGETHER_MS = 10_000;
/** The kernel writes Xid 154 next to the XID that caused it. */
const DEMAND_MS = 60_000;
const OWN = 0;

/** One finding per XID that is neither cured nor decayed. */
export function judgeXids(
  ledger: Ledger,
  recovery: Recovery,
  policy: GpuPolicy,
  atMs: number,
): readonly RawFinding[] {
  return Object.values(ledger)
    .map((entry) => judge(entry, ledger, recovery, policy, atMs))
    .filter((finding) => finding !== null);
}

function judge(
  entry: XidEntry,
  ledger: Ledger,
  recovery: Recovery,
  policy: GpuPolicy,
  atMs: number,
): RawFinding | null {
  const rule = ruleOf(entry.xid, policy);
  if (entry.cleared || rule.action === 'ignore') return null;
  if (rule.solo === true && hasCompany(entry, ledger)) return null;
  if (rule.detailOf !== undefined && ledger[rule.detailOf]?.cleared === false) return null;
  return rule.scope === 'application'
    ? ofApplication(entry, rule, policy, atMs)
    : ofDevice(entry, rule, recovery, policy, atMs);
}

function hasCompany(entry: XidEntry, ledger: Ledger): boolean {
  return Object.values(ledger).some(
    (other) =>
      other.xid !== entry.xid &&
      xidRow(other.xid).demands !== true &&
      other.sinceMs - TOGETHER_MS <= entry.lastAtMs &&
      entry.lastAtMs <= other.lastAtMs + TOGETHER_MS,
  );
}

/** The context of one process is gone. The GPU is fine, unless the error stays in its memory until a reset. */
function ofApplication(entry: XidEntry, rule: XidRule, policy: GpuPolicy, atMs: number): RawFinding | null {
  if (entry.owner === 'own') {
    return finding(entry, rule.severity ?? 'unhealthy', 'restart', `${describe(entry)}: it hit this process`);
  }
  if (rule.untilReset === true) {
    return finding(entry, 'degraded', 'reset', `${describe(entry)}: the GPU wants a reset when convenient`);
  }
  if (entry.owner === 'foreign' || atMs - entry.lastAtMs >= policy.applicationDecayMs) return null;
  return {
    ...finding(
      entry,
      rule.severity ?? 'degraded',
      'restart',
      `${describe(entry)}: an application's error, not known to be ours`,
    ),
    gates: rule.severity === 'unhealthy',
  };
}

function ofDevice(
  entry: XidEntry,
  rule: XidRule,
  recovery: Recovery,
  policy: GpuPolicy,
  atMs: number,
): RawFinding | null {
  let { action } = rule;
  let severity: GpuSeverity =
    rule.severity ??
    (action === 'reset' || action === 'reboot' || rule.unhealthy === true ? 'unhealthy' : 'degraded');
  let remark = '';
  const tooFew = rule.threshold !== undefined && entry.count < rule.threshold;
  if (tooFew || (rule.wordDecides === true && entry.fatal !== true)) {
    action = 'watch';
    severity = 'degraded';
    if (tooFew) remark = `; counts as a fault from ${rule.threshold} on`;
  }

  const { demand } = recovery;
  const wanted = demand === null ? null : recoveryAction(demand.value);
  const concerned =
    demand !== null && (action !== 'watch' || Math.abs(entry.lastAtMs - demand.atMs) <= DEMAND_MS);
  if (wanted !== null && concerned && rule.configured !== true) {
    ({ action, severity } = wanted);
    remark = `; the driver asks for: ${wanted.name}`;
  } else if (entry.overruled) {
    action = 'watch';
    severity = 'degraded';
    remark = '; the driver asks for nothing';
  }
  if (action === 'watch' && atMs - entry.lastAtMs >= policy.watchDecayMs) return null;
  return finding(entry, severity, action, `${describe(entry)}${remark}`);
}

function finding(
  { xid, sinceMs }: XidEntry,
  severity: GpuSeverity,
  action: RawFinding['action'],
  message: string,
): RawFinding {
  return { code: `gpu.xid.${xid}`, severity, action, message, sinceMs };
}

function describe({ xid, count }: XidEntry): string {
  return `Xid ${xid} (${xidRow(xid).name})${count > 1 ? `, ${count} times` : ''}`;
}

/**
 * Application XIDs of several processes on one GPU are more likely the GPU's than theirs; not so where another GPU of the
 * host has met as many, since then the application is the common cause.
 */
export function judgeSuspicion(
  ledger: Ledger,
  others: readonly Ledger[],
  policy: GpuPolicy,
  atMs: number,
): RawFinding | null {
  const { processes, windowMs } = policy.suspicion;
  const visitors = visitorsOf(ledger, policy, atMs - windowMs);
  if (visitors.size < processes) return null;
  if (others.some((other) => visitorsOf(other, policy, atMs - windowMs).size * 2 > visitors.size))
    return null;
  return {
    code: 'gpu.suspect',
    severity: 'degraded',
    action: 'contact',
    message: `${visitors.size} processes met errors on this GPU and on no other: test its hardware`,
    sinceMs: Math.max(...[...visitors.values()]),
  };
}

/** First visit by process. Without a pid two visits cannot be told apart; all of our own processes count as one. */
function visitorsOf(ledger: Ledger, policy: GpuPolicy, afterMs: number): ReadonlyMap<number, number> {
  const visitors = new Map<number, number>();
  for (const entry of Object.values(ledger)) {
    if (ruleOf(entry.xid, policy).scope !== 'application') continue;
    for (const { pid, own, atMs } of entry.visits) {
      const key = own ? OWN : pid;
      if (key !== null && atMs > afterMs) visitors.set(key, Math.min(atMs, visitors.get(key) ?? atMs));
    }
  }
  return visitors;
}
