import type { Outcome } from './types.js';

/** What an attempt's outcome means for its request and for the worker. The table of docs/fleet/migrator.md. */
export interface OutcomeClass {
  /** `yes`; `once` a request; `no`: the request ends with this outcome. */
  readonly migrate: 'yes' | 'once' | 'no';
  /** Whether it counts against the worker. */
  readonly ejects: boolean;
  /** Whether the next attempt is paid from the pool's retry budget; what is planned or was never sent is free. */
  readonly isPaid: boolean;
  /** Whether a request that has hardly begun may be what killed the worker. */
  readonly isCrash: boolean;
}

const ENDS: OutcomeClass = { migrate: 'no', ejects: false, isPaid: false, isCrash: false };
const MOVES: OutcomeClass = { migrate: 'yes', ejects: true, isPaid: true, isCrash: false };

const CLASSES: Readonly<Record<Outcome, OutcomeClass>> = {
  success: ENDS,
  not_sent: { migrate: 'yes', ejects: true, isPaid: false, isCrash: false },
  connect: MOVES,
  reset: { ...MOVES, isCrash: true },
  truncated: { ...MOVES, isCrash: true },
  stalled: MOVES,
  shutdown: { migrate: 'yes', ejects: false, isPaid: false, isCrash: false },
  draining: { migrate: 'yes', ejects: false, isPaid: false, isCrash: false },
  overloaded: { migrate: 'yes', ejects: false, isPaid: true, isCrash: false },
  gap: MOVES,
  diverged: MOVES,
  engine_error: { migrate: 'once', ejects: true, isPaid: true, isCrash: false },
  numerical: { migrate: 'once', ejects: true, isPaid: true, isCrash: false },
  invalid: ENDS,
  unsupported: ENDS,
  cancelled: ENDS,
  deadline: ENDS,
  no_workers: ENDS,
};

export function outcomeClass(outcome: Outcome): OutcomeClass {
  return CLASSES[outcome];
}
