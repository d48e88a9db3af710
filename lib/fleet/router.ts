/**
 * Which worker takes a request: of those that are well, the less loaded of two drawn at random, unless one that holds the
 * prefix is loaded little more. See docs/fleet/router.md.
 */
import type { Candidate } from './ejector.js';
import type { WorkerLoad } from './load-view.js';
import type { WorkerRef } from './types.js';
import type { WorkerCondition } from './worker-health.js';
import { isSame } from './worker-ref.js';

export interface RoutableWorker extends Candidate {
  readonly load: WorkerLoad;
  readonly condition: WorkerCondition;
  /** Tokens of this request's prefix that it holds. */
  readonly cachedTokens: number;
}

export interface RouteRequest {
  /** Workers that this request has failed on; they are not chosen. */
  readonly excluded: readonly WorkerRef[];
  /** Tokens to prefill when nothing is cached. */
  readonly promptTokens: number;
}

export interface RouterOptions {
  /** Load that one recent failure stands for, in tokens. Default 500. */
  readonly failureTokens?: number;
  /** How much more load than the best a worker with the prefix may have, as a share of the tokens that it saves. Default 1. */
  readonly affinity?: number;
}

/** The well before the doubtful before the silent; none is refused while there is no better. */
const TIER: Readonly<Record<WorkerCondition, number>> = { alive: 0, suspect: 1, frozen: 2, hung: 2 };

/**
 * @param randoms two numbers, 0 ≤ r < 1
 * @returns null: nobody is left
 */
export function route(
  request: RouteRequest,
  workers: readonly RoutableWorker[],
  randoms: readonly [number, number],
  options: RouterOptions = {},
): RoutableWorker | null {
  const { failureTokens = 500, affinity = 1 } = options;
  const open = workers.filter(({ ref }) => !request.excluded.some((other) => isSame(other, ref)));
  const best = open.reduce((tier, { condition }) => Math.min(tier, TIER[condition]), 3);
  const level = open.filter(({ condition }) => TIER[condition] === best);
  // The one request of a trial is worth more than an even spread: without it the worker never comes back.
  const trial = level.find(({ isTrial }) => isTrial);
  if (trial !== undefined && level.length > 0 && randoms[1] < TRIAL_SHARE) return trial;
  const regular = level.filter(({ isTrial }) => !isTrial);
  const pool = regular.length > 0 ? regular : level;
  if (pool.length === 0) return null;

  const cost = ({ load, weight, recentFailures }: RoutableWorker): number =>
    (load.tokens + request.promptTokens + recentFailures * failureTokens) / weight;
  const first = pool[Math.floor(randoms[0] * pool.length)] as RoutableWorker;
  const rest = pool.filter((worker) => worker !== first);
  const second = rest[Math.floor(randoms[1] * rest.length)] ?? first;
  const chosen = cost(second) < cost(first) ? second : first;

  const holder = pool.reduce<RoutableWorker>(
    (most, worker) => (worker.cachedTokens > most.cachedTokens ? worker : most),
    chosen,
  );
  const extra = cost(holder) - cost(chosen);
  return extra <= (holder.cachedTokens - chosen.cachedTokens) * affinity ? holder : chosen;
}

/** Of the requests while a worker waits for its trial. */
const TRIAL_SHARE = 0.1;
