/** The table of hosts that other systems' detectors have in common. */
import type { Candidate, Ejector } from '../../lib/fleet/ejector.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';

export interface Host {
  readonly ref: WorkerRef;
  outUntilMs: number;
  inRow: number;
  good: number;
  bad: number;
  successes: number;
  isHalfOpen: boolean;
  times: number;
}

/** What the three have in common: a table of hosts, and who is out. */
export function createTable(policy: {
  readonly failed: (host: Host, outcome: Outcome, atMs: number, hosts: readonly Host[]) => void;
  readonly succeeded: (host: Host, atMs: number) => void;
  readonly discovered?: (hosts: readonly Host[], atMs: number) => void;
  readonly turn?: (hosts: readonly Host[], atMs: number) => void;
  readonly isOut: (host: Host, atMs: number) => boolean;
  /** Outcomes that count as failures. */
  readonly counts: (outcome: Outcome) => boolean;
  readonly panicRatio: number;
}): Ejector {
  const hosts = new Map<string, Host>();
  const find = ({ worker, incarnation }: WorkerRef): Host | undefined => {
    const host = hosts.get(worker);
    return host?.ref.incarnation === incarnation ? host : undefined;
  };
  const all = (): Host[] => [...hosts.values()];
  let seenMs = 0;

  return {
    add(ref, atMs) {
      if (find(ref) !== undefined) return;
      const fresh = { outUntilMs: 0, inRow: 0, good: 0, bad: 0, successes: 0, isHalfOpen: false, times: 0 };
      hosts.set(ref.worker, { ref, ...fresh });
      policy.discovered?.(all(), atMs);
    },
    remove(ref, atMs) {
      if (find(ref) === undefined) return;
      hosts.delete(ref.worker);
      policy.discovered?.(all(), atMs);
    },
    permit: (ref) => (find(ref) === undefined ? null : 0),
    outcome(ref, _generation, outcome, atMs) {
      const host = find(ref);
      if (host === undefined) return;
      seenMs = Math.max(seenMs, atMs);
      policy.turn?.(all(), atMs);
      if (outcome === 'success') policy.succeeded(host, atMs);
      else if (policy.counts(outcome)) policy.failed(host, outcome, atMs, all());
    },
    // None of them has a second signal beside the outcomes of requests.
    strike: () => {},
    forgive: () => {},
    latency: () => {},
    view(atMs, isAvailable = () => true) {
      seenMs = Math.max(seenMs, atMs);
      policy.turn?.(all(), atMs);
      const available = all().filter(({ ref }) => isAvailable(ref));
      const routable = available.filter((host) => !policy.isOut(host, atMs));
      const isPanic = hosts.size > 0 && routable.length / hosts.size < policy.panicRatio;
      const chosen = isPanic ? available : routable;
      const candidates: Candidate[] = chosen.map(({ ref }) => ({
        ref,
        weight: 1,
        recentFailures: 0,
        isTrial: false,
      }));
      return { candidates, isPanic, ejected: all().length - routable.length };
    },
    isEjected(ref, atMs) {
      const host = find(ref);
      seenMs = Math.max(seenMs, atMs);
      return host !== undefined && policy.isOut(host, seenMs);
    },
  };
}
