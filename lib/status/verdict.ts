import type { EngineFinding } from '../engine/policy-types.js';
import type { GpuAction } from '../gpu/actions.js';
import type { GpuFinding } from '../gpu/finding.js';
import type { Component, Endpoint, EndpointCanary, Phase, State, Status } from './types.js';
import { gatesWorker, reasonOfNoEndpoint } from './worker.js';

export interface Reason {
  readonly component: string;
  readonly code: string;
  readonly message: string;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  /** Of GPU findings: what cures it, and whether a restart of this process does. */
  readonly action?: GpuAction;
  readonly restartHelps?: boolean;
}

/** What the probes say. Valid until `validUntilMs` unless an event arrives first. */
export interface Verdict {
  readonly phase: Phase;
  /** The process has started: `/startupz`. */
  readonly startup: boolean;
  /** False only when a restart would cure it: `/livez`. */
  readonly live: boolean;
  /** BitNet.rs's `/health/live`: also false during the start-up grace. */
  readonly liveAfterGrace: boolean;
  /** The next request can be served: `/readyz`, `/health/ready`. */
  readonly ready: boolean;
  readonly health: Exclude<Status, 'unknown'>;
  /** Components as of now: what has become stale is `unknown`. */
  readonly components: readonly Component[];
  /** As served, less what failed its test requests: those are `notready`. */
  readonly endpoints: readonly Endpoint[];
  readonly canaries: readonly EndpointCanary[];
  /** Every deviation, in the order of the components, then holds, endpoints, drain. */
  readonly reasons: readonly Reason[];
  /** The reasons that make `ready` false. */
  readonly gating: readonly Reason[];
  /** Readiness as Dynamo's documents have it: endpoints, canary, engine, GPU, holds, drain. */
  readonly workerReady: boolean;
  /** The reasons that make `workerReady` false. */
  readonly workerGating: readonly Reason[];
  readonly validUntilMs: number;
}

/** Always part of readiness; `event_loop` gates while blocked, `cpu` only where `gates` lists it. */
const GATES: readonly string[] = ['model', 'memory', 'inference_engine', 'gpu', 'event_loop'];

/** Pure: no clock but `nowMs`. */
export function verdict(state: State, nowMs: number): Verdict {
  const { policy, phase } = state;
  let validUntilMs = Number.POSITIVE_INFINITY;
  const failed = policy.engineGates === false ? null : state.engine;
  const components = state.components.map((component) => {
    if (failed !== null && component.name === 'inference_engine') return failing(component, failed);
    if (component.staleAfterMs === null) return component;
    const staleAtMs = component.observedAtMs + component.staleAfterMs;
    if (nowMs < staleAtMs) {
      validUntilMs = Math.min(validUntilMs, staleAtMs);
      return component;
    }
    return staled(component, staleAtMs);
  });

  const reasons: Reason[] = [];
  const gating: Reason[] = [];
  const workerGating: Reason[] = [];
  for (const component of components) {
    if (component.status === 'healthy') continue;
    if (component.name === 'gpu' && state.gpu !== null && state.gpu.findings.some(({ used }) => used)) {
      for (const finding of state.gpu.findings) {
        if (!finding.used) continue;
        const reason = reasonOfFinding(finding);
        reasons.push(reason);
        if (!finding.gating) continue;
        gating.push(reason);
        workerGating.push(reason);
      }
      continue;
    }
    const reason = reasonOf(component);
    reasons.push(reason);
    if (gates(component, policy.gates)) gating.push(reason);
    if (gatesWorker(component, policy.gates)) workerGating.push(reason);
  }
  for (const hold of state.holds) {
    const reason = {
      component: 'hold',
      code: `hold.${hold.name}`,
      message: `Held by ${hold.name}`,
      sinceMs: hold.sinceMs,
    };
    reasons.push(reason);
    gating.push(reason);
    workerGating.push(reason);
  }
  if (state.engine !== null && failed === null) {
    const { code, message, sinceMs } = state.engine;
    reasons.push({ component: 'inference_engine', code, message, sinceMs });
  }
  const endpoints = state.endpoints.map((endpoint) => tested(endpoint, state.canaries));
  for (const endpoint of endpoints) {
    if (endpoint.status === 'ready') continue;
    const reason = reasonOfEndpoint(endpoint);
    reasons.push(reason);
    if (policy.requiredEndpoints.length > 0 && !policy.requiredEndpoints.includes(endpoint.name)) continue;
    gating.push(reason);
    workerGating.push(reason);
  }
  const noEndpoint = reasonOfNoEndpoint(state);
  if (noEndpoint !== null) workerGating.push(noEndpoint);
  const phaseReason = reasonOfPhase(state);
  if (phaseReason !== null) {
    reasons.push(phaseReason);
    gating.push(phaseReason);
    // A starting worker is what its endpoints, its model and the starting status say.
    if (phase !== 'starting') workerGating.push(phaseReason);
  }

  const live = state.loop !== 'stalled' && failed?.isNotLive !== true;
  const graceEndsMs = state.startedAtMs + policy.startupGraceMs;
  if (nowMs < graceEndsMs) validUntilMs = Math.min(validUntilMs, graceEndsMs);
  return {
    phase,
    startup: phase !== 'starting',
    live,
    liveAfterGrace: live && nowMs >= graceEndsMs && state.mainReported && state.sampled,
    ready: gating.length === 0,
    health: aggregate(components, state),
    components,
    endpoints,
    canaries: state.canaries,
    reasons,
    gating,
    workerReady: workerGating.length === 0,
    workerGating,
    validUntilMs,
  };
}

function staled(component: Component, staleAtMs: number): Component {
  if (component.status === 'unknown') return component;
  const message = `No observation for more than ${component.staleAfterMs} ms; last: ${component.message}`;
  return { ...component, status: 'unknown', reason: `${component.name}.stale`, message, sinceMs: staleAtMs };
}

/** What the application says about its engine does not count while the engine is found dead or stalled. */
function failing(component: Component, { code, message, sinceMs }: EngineFinding): Component {
  const continuous = true;
  return { ...component, status: 'unhealthy', reason: code, message, sinceMs, continuous, claimed: true };
}

/** Test requests can only take readiness away: one that succeeds never makes an endpoint ready that is not served. */
function tested(endpoint: Endpoint, canaries: readonly EndpointCanary[]): Endpoint {
  if (endpoint.status !== 'ready') return endpoint;
  const canary = canaries.find(({ name }) => name === endpoint.name);
  if (canary === undefined || canary.status === 'ok') return endpoint;
  const sinceMs = Math.max(endpoint.sinceMs, canary.sinceMs);
  return { ...endpoint, status: 'notready', reason: `canary.${canary.status}`, sinceMs };
}

function reasonOfFinding(finding: GpuFinding): Reason {
  const where = finding.index === null ? '' : `GPU ${finding.index}: `;
  return {
    component: 'gpu',
    code: finding.code,
    message: `${where}${finding.message}`,
    sinceMs: finding.sinceMs,
    action: finding.action,
    restartHelps: finding.restartHelps,
  };
}

function reasonOf(component: Component): Reason {
  const { name, status, reason, message, sinceMs } = component;
  return { component: name, code: reason ?? `${name}.${status}`, message, sinceMs };
}

function reasonOfEndpoint({ name, reason, sinceMs }: Endpoint): Reason {
  const code = reason ?? 'endpoint.notready';
  const component = code.startsWith('canary.') ? 'canary' : 'endpoint';
  const tells = (does: string): string => `Endpoint ${name} ${does}`;
  if (component === 'endpoint') return { component, code, message: tells('is not ready'), sinceMs };
  const does = code === 'canary.pending' ? 'has not answered' : 'does not answer';
  return { component, code, message: tells(`${does} test requests`), sinceMs };
}

function reasonOfPhase({ phase, startedAtMs }: State): Reason | null {
  const reason = (code: string, message: string): Reason => ({
    component: code.split('.')[0] ?? code,
    code,
    message,
    sinceMs: startedAtMs,
  });
  switch (phase) {
    case 'starting':
      return reason('phase.starting', 'The process is starting');
    case 'serving':
      return null;
    case 'draining':
      return reason('drain.active', 'The process is draining');
    case 'stopped':
      return reason('phase.stopped', 'The process has stopped serving');
    case 'failed':
      return reason('phase.failed', 'The process has failed; a restart will not help');
  }
}

/**
 * What the application owns is not ready while it is unknown or anything but healthy. What we sample gates only by a
 * finding: degraded memory is not ready (as BitNet.rs has it), an unreadable /proc is no reason to refuse work.
 */
function gates(component: Component, listed: readonly string[]): boolean {
  const gated =
    GATES.includes(component.name) ||
    listed.includes(component.name) ||
    (component.critical && component.owner !== 'system');
  if (!gated || !component.claimed) return false;
  return component.status !== 'unknown' || component.owner !== 'system';
}

const SEVERITY: Readonly<Record<Status, number>> = { healthy: 0, unknown: 1, degraded: 1, unhealthy: 2 };

function aggregate(components: readonly Component[], state: State): Verdict['health'] {
  let worst = state.phase === 'draining' || state.phase === 'stopped' ? 1 : state.phase === 'failed' ? 2 : 0;
  for (const component of components) {
    if (component.name === 'cpu' && !state.policy.gates.includes('cpu')) continue;
    // The main thread's very first turn is covered by the phase; counting it here would make every start degraded.
    if (component.name === 'event_loop' && component.status === 'unknown') continue;
    const severity = SEVERITY[component.status];
    const capped =
      component.critical || state.policy.aggregation === 'worst' ? severity : Math.min(severity, 1);
    worst = Math.max(worst, capped);
  }
  return worst === 2 ? 'unhealthy' : worst === 1 ? 'degraded' : 'healthy';
}
