/** Failure detectors of other systems, re-implemented from what is documented of them, in the place of our ejector. */
import type { Ejector } from '../../lib/fleet/ejector.js';
import { outcomeClass } from '../../lib/fleet/migratable.js';
import { createRetryBudget } from '../../lib/fleet/retry-budget.js';
import type { Outcome } from '../../lib/fleet/types.js';
import { override } from './override.js';
import { DYNAMO_CANARY, DYNAMO_MIGRATION, GIE, STATIC_THRESHOLDS } from './rival-policies.js';
import { createTable, type Host } from './rival-table.js';
import type { Machines } from './world.js';

export type RivalName =
  | 'dynamo'
  | 'smg'
  | 'envoy'
  | 'dynamo-migration'
  | 'dynamo-canary'
  | 'gie'
  | 'static-thresholds';

export interface Rival {
  readonly title: string;
  readonly machines: Partial<Machines>;
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

/** Neither Dynamo nor SMG has one for the pool. */
const createNoBudget: typeof createRetryBudget = (options) =>
  override(createRetryBudget(options), { tryWithdraw: () => true });

export const RIVALS: Readonly<Record<RivalName, Rival>> = {
  dynamo: {
    title: 'Dynamo, inhibition sweep',
    machines: { createEjector: createInhibition, createRetryBudget: createNoBudget, hasBeacons: false },
  },
  smg: {
    title: 'SMG, circuit breaker',
    machines: { createEjector: createBreaker, createRetryBudget: createNoBudget, hasBeacons: false },
  },
  envoy: { title: 'Envoy, outlier detection', machines: { createEjector: createOutlier, hasBeacons: false } },
  'dynamo-migration': {
    title: 'Dynamo, migration rules',
    machines: { ...DYNAMO_MIGRATION, createEjector: createInhibition },
  },
  'dynamo-canary': { title: 'Dynamo, canary', machines: DYNAMO_CANARY },
  gie: { title: 'GIE, saturation formula', machines: GIE },
  'static-thresholds': { title: 'Dynamo, static thresholds', machines: STATIC_THRESHOLDS },
};
