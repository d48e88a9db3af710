import { ACTIONS } from './actions.js';
import { judgeApplication } from './application.js';
import { judgeDevice } from './device.js';
import { judgeDriver } from './driver.js';
import type { GpuDeviceFacts, GpuFacts } from './facts.js';
import type { GpuFinding, RawFinding } from './finding.js';
import type { GpuPolicyState } from './policy.js';
import type { GpuPolicy } from './policy-options.js';
import { NO_RECOVERY } from './recovery.js';
import { judgeSwitches } from './switches.js';
import { tokensSince } from './tokens.js';
import { hidesAll } from './visible-devices.js';
import { judgeSuspicion, judgeXids } from './xid-findings.js';

/** All that is wrong in a state, worst first. */
export function judge(state: GpuPolicyState): readonly GpuFinding[] {
  const { facts, policy, atMs, selection, application } = state;
  const findings: GpuFinding[] = [];
  const add = (raw: RawFinding, device: GpuDeviceFacts | null, used: boolean): void => {
    const finding = finish(raw, device, used, policy);
    if (finding !== null) findings.push(finding);
  };
  const used = selection.used;
  // Before any GPU is listed the driver concerns everyone who did not renounce it.
  const usesAny = used.size > 0 || (Object.keys(state.devices).length === 0 && !hidesAll(policy.visible));

  for (const raw of judgeApplication(application, policy, atMs)) {
    const device = raw.uuid === null ? null : (state.devices[raw.uuid]?.facts ?? null);
    add(raw, device, true);
  }
  if (facts !== null && facts.state !== 'off') {
    for (const raw of judgeDriver(state.driver, facts, policy, progresses(state, facts))) {
      add(raw, null, usesAny);
    }
    const gpus = Object.values(state.devices);
    for (const device of gpus) {
      const isUsed = used.has(device.facts.uuid);
      for (const raw of judgeDevice(device, facts, policy, atMs)) add(raw, device.facts, isUsed);
      const others = gpus.filter((other) => other !== device).map(({ ledger }) => ledger);
      const suspicion = judgeSuspicion(device.ledger, others, policy, atMs);
      if (suspicion !== null) add(suspicion, device.facts, isUsed);
    }
    for (const raw of judgeXids(state.unplaced, NO_RECOVERY, policy, atMs)) add(raw, null, false);
    const usedGpus = gpus.filter((device) => !device.facts.isMig && used.has(device.facts.uuid)).length;
    for (const raw of judgeSwitches(facts.xids, usedGpus, policy, atMs)) add(raw, null, usedGpus > 0);
  }
  return findings.sort(byImportance);
}

/** The engine has completed enough work that began after the driver stopped answering. */
function progresses({ application, policy, tokens }: GpuPolicyState, facts: GpuFacts): boolean {
  const { successesBeganAtMs } = application;
  const sinceMs = facts.stuckSinceMs ?? facts.atMs;
  if (tokensSince(tokens, sinceMs) >= policy.recoverySuccesses) return true;
  return (
    successesBeganAtMs.length >= policy.recoverySuccesses &&
    successesBeganAtMs.every((beganAtMs) => beganAtMs > sinceMs)
  );
}

function finish(
  raw: RawFinding,
  device: GpuDeviceFacts | null,
  used: boolean,
  policy: GpuPolicy,
): GpuFinding | null {
  const configured = policy.findings[raw.code];
  if (configured === 'ignore') return null;
  const severity = configured ?? raw.severity;
  const gates = configured === undefined ? (raw.gates ?? severity === 'unhealthy') : severity === 'unhealthy';
  return {
    code: raw.code,
    uuid: device?.uuid ?? null,
    index: device?.index ?? null,
    used,
    severity,
    action: raw.action,
    restartHelps: ACTIONS.some(({ action, restartHelps }) => action === raw.action && restartHelps),
    gating: used && gates,
    message: raw.message,
    sinceMs: raw.sinceMs,
  };
}

function byImportance(a: GpuFinding, b: GpuFinding): number {
  const rank = ({ gating, used, severity }: GpuFinding): number =>
    (gating ? 0 : 4) + (used ? 0 : 2) + (severity === 'unhealthy' ? 0 : 1);
  return (
    rank(a) - rank(b) ||
    (a.index ?? -1) - (b.index ?? -1) ||
    a.sinceMs - b.sinceMs ||
    (a.code < b.code ? -1 : 1)
  );
}
