/** The promises of the fleet, by name. A check that fails says which one was broken, by what and when. */
export const INVARIANTS = {
  1: 'stream is a prefix of one log',
  2: 'bytes equal those of a run without faults',
  3: 'exactly one terminal frame, nothing after it',
  4: 'at most one epoch appends, older ones never',
  5: 'nothing is emitted after a cancel was acknowledged, and its KV is free',
  6: 'kill dominates stop',
  7: 'usage counts each token once',
  8: 'gauges equal live permits, reserved KV within its cap',
  9: 'no admission after the lame duck, unready before the first rejection',
  10: 'ejected within the cap, never all',
  11: 'one trial at a time',
  12: 'attempts within the retry budget',
  13: 'no request leaves the queue after its deadline',
  14: 'nothing is shed while there is room',
  15: 'backlogged tenants are served alike',
  16: 'discovery: revisions rise, removed incarnations stay away, no deletion while unsynced',
  17: 'no worker dies of the store, a canary or a peer',
  18: 'ejection depends on outcomes of its own generation and window',
  19: 'a request that kills at one token costs at most two workers their lives',
  20: 'Retry-After on every rejection for load, at most 60 s',
  21: 'a worker that failed a request is not picked for it again',
  22: 'every request ends',
  23: 'the cache equals the store',
  24: 'every healthy worker is routable',
  25: 'all gauges return to zero',
  26: 'a drain ends within its budget and cuts no stream that could move',
  27: 'goodput returns',
  28: 'an unknown load is neither idle nor full',
  29: 'a worker is unready only after several failed canaries',
  30: 'no healthy worker is lost because of the store',
} as const;
export type InvariantNumber = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: InvariantNumber;
  readonly name: string;
  readonly detail: string;
  readonly atMs: number;
}

export interface Checks {
  readonly violation: Violation | null;
  /** Checks made so far. */
  readonly made: number;
  /** @param detail computed only if it does not hold */
  check(invariant: InvariantNumber, holds: boolean, detail: () => string): void;
  /** Checks that hold, made where a call for each would cost more than the check. */
  passed(count: number): void;
}

/** Keeps the first violation, which usually brings others after it. */
export function createChecks(nowMs: () => number, onViolation: () => void): Checks {
  const checks = {
    violation: null as Violation | null,
    made: 0,
    passed(count: number) {
      checks.made += count;
    },
    check(invariant: InvariantNumber, holds: boolean, detail: () => string) {
      checks.made += 1;
      if (holds || checks.violation !== null) return;
      checks.violation = { invariant, name: INVARIANTS[invariant], detail: detail(), atMs: nowMs() };
      onViolation();
    },
  };
  return checks;
}
