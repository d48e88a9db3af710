import type { Component, State } from './types.js';
import type { Reason } from './verdict.js';

/** What only a claim of the application makes count; see `docs/dynamo.md`. */
const CLAIMED: readonly string[] = ['model', 'inference_engine'];

/**
 * Whether a component that is not healthy withdraws the readiness of a Dynamo worker. Memory, CPU and what is merely
 * degraded do not: its `/live` is the same document, and nothing that a restart makes worse may restart the process.
 */
export function gatesWorker(component: Component, listed: readonly string[]): boolean {
  const { name, status, reason, claimed, critical, owner } = component;
  if (name === 'event_loop') return status !== 'unknown';
  if (name === 'gpu') return status === 'unhealthy';
  if (listed.includes(name)) return status !== 'unknown' || owner !== 'system';
  if (owner === 'system' || !claimed) return false;
  if (CLAIMED.includes(name) && reason === `${name}.loading`) return true;
  return (CLAIMED.includes(name) || critical) && (status === 'unhealthy' || status === 'unknown');
}

/** With no endpoint declared the starting status holds. */
export function reasonOfNoEndpoint({ endpoints, policy, startedAtMs }: State): Reason | null {
  if (endpoints.length > 0 || policy.startingHealthStatus === 'ready') return null;
  return {
    component: 'endpoint',
    code: 'endpoint.none',
    message: 'No endpoint is declared, and the starting health status is notready',
    sinceMs: startedAtMs,
  };
}
