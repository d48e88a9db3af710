/** Failure detectors of other systems, re-implemented from what is documented of them, in the place of our ejector. */
import type { Candidate, Ejector } from '../../lib/fleet/ejector.js';
import { outcomeClass } from '../../lib/fleet/migratable.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';
import type { Machines } from './world.js';

export type RivalName = 'dynamo' | 'smg' | 'envoy';

export interface Rival {
  readonly title: string;
  readonly machines: Partial<Machines>;
}

interface Host {
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
function createTable(policy: {
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

const isTransport = (outcome: Outcome): boolean =>
  ['connect', 'not_sent', 'reset', 'truncated', 'stalled', 'shutdown', 'draining'].includes(outcome);

/** One strike; every five seconds, and at every change of the discovery, everybody is let back in. */
function createInhibition(): Ejector {
  let sweepMs = 0;
  const sweep = (hosts: readonly Host[], atMs: number): void => {
    for (const host of hosts) host.outUntilMs = 0;
    sweepMs = atMs + 5000;
  };
  return createTable({
    failed(host) {
      host.outUntilMs = Number.POSITIVE_INFINITY;
    },
    succeeded: () => {},
    discovered: sweep,
    turn(hosts, atMs) {
      if (atMs >= sweepMs) sweep(hosts, atMs);
    },
    isOut: (host) => host.outUntilMs > 0,
    counts: isTransport,
    panicRatio: 0,
  });
}

/** Ten failures without a success between them open it for 60 s; then everybody may try; three successes close it. */
function createBreaker(): Ejector {
  return createTable({
    failed(host, _outcome, atMs) {
      host.inRow += 1;
      host.successes = 0;
      if (!host.isHalfOpen && host.inRow < 10) return;
      host.outUntilMs = atMs + 60_000;
      host.isHalfOpen = true;
    },
    succeeded(host) {
      host.inRow = 0;
      if (!host.isHalfOpen) return;
      host.successes += 1;
      if (host.successes >= 3) host.isHalfOpen = false;
    },
    isOut: (host, atMs) => atMs < host.outUntilMs,
    counts: (outcome) => isTransport(outcome) || outcomeClass(outcome).ejects || outcome === 'overloaded',
    panicRatio: 0,
  });
}

/** Five consecutive failures at once, success rates every ten seconds; 30 s times the number of ejections; 10 % at most. */
function createOutlier(): Ejector {
  let intervalMs = Number.NEGATIVE_INFINITY;
  const eject = (host: Host, atMs: number, hosts: readonly Host[]): void => {
    const out = hosts.filter(({ outUntilMs }) => outUntilMs > atMs).length;
    if (out >= Math.max(1, Math.floor(hosts.length * 0.1))) return;
    host.times += 1;
    host.outUntilMs = atMs + Math.min(30_000 * host.times, 300_000);
    host.inRow = 0;
  };
  return createTable({
    failed(host, _outcome, atMs, hosts) {
      host.bad += 1;
      host.inRow += 1;
      if (host.inRow >= 5) eject(host, atMs, hosts);
    },
    succeeded(host) {
      host.good += 1;
      host.inRow = 0;
    },
    turn(hosts, atMs) {
      if (intervalMs === Number.NEGATIVE_INFINITY) intervalMs = atMs;
      if (atMs - intervalMs < 10_000) return;
      intervalMs = atMs;
      const busy = hosts.filter(({ good, bad }) => good + bad >= 100);
      const rates = busy.map(({ good, bad }) => good / (good + bad));
      const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
      const deviation = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
      if (busy.length >= 5)
        busy.forEach((host, index) => {
          if (rates[index]! < mean - 1.9 * deviation) eject(host, atMs, hosts);
        });
      for (const host of hosts) {
        host.good = 0;
        host.bad = 0;
        if (host.outUntilMs <= atMs && host.times > 0) host.times -= 1;
      }
    },
    isOut: (host, atMs) => atMs < host.outUntilMs,
    counts: (outcome) => isTransport(outcome) || outcomeClass(outcome).ejects || outcome === 'overloaded',
    panicRatio: 0.5,
  });
}

export const RIVALS: Readonly<Record<RivalName, Rival>> = {
  dynamo: {
    title: 'Dynamo, inhibition sweep',
    machines: { createEjector: createInhibition, hasBeacons: false },
  },
  smg: { title: 'SMG, circuit breaker', machines: { createEjector: createBreaker, hasBeacons: false } },
  envoy: { title: 'Envoy, outlier detection', machines: { createEjector: createOutlier, hasBeacons: false } },
};
