/**
 * How many further attempts a pool may make, so that a total outage costs little more than the requests themselves: a share
 * of the requests of the last seconds, and a reserve that only successes fill. See docs/fleet/retry-budget.md.
 */
export interface RetryBudget {
  /** A request has begun: it earns a share of a retry. */
  deposit(atMs: number): void;
  /** A token came, or a request has succeeded: the pool is worth retries. As often as you like, or once in a while. */
  succeed(atMs: number): void;
  /** Takes one retry; false: none is left. */
  tryWithdraw(atMs: number): boolean;
  /** Retries left now. */
  balance(atMs: number): number;
}

export interface RetryBudgetOptions {
  /** Retries a request earns. Default 0.2. */
  readonly ratio?: number;
  /** Retries a second besides, as long as anything succeeds. Default 10; with the ratio they are Finagle's. */
  readonly minPerSecond?: number;
  /** How long a deposit and a withdrawal count. Default 10 000. */
  readonly windowMs?: number;
}

const SLICES = 10;

export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, minPerSecond = 10, windowMs = 10_000 } = options;
  const sliceMs = windowMs / SLICES;
  const earned = new Float64Array(SLICES);
  const spent = new Float64Array(SLICES);
  let lastSlice = Number.NEGATIVE_INFINITY;
  /** One second of it, and there from the beginning. */
  const mostReserve = minPerSecond === 0 ? 0 : Math.max(1, minPerSecond);
  let reserve = mostReserve;
  /** What was taken from the reserve; while nothing succeeds requests earn it back before they earn anything else. */
  let debt = 0;
  let filledMs: number | null = null;

  function turn(atMs: number): number {
    filledMs ??= atMs;
    const slice = Math.floor(atMs / sliceMs);
    if (slice > lastSlice) {
      for (let gone = Math.max(lastSlice + 1, slice - SLICES + 1); gone <= slice; gone += 1) {
        earned[mod(gone)] = 0;
        spent[mod(gone)] = 0;
      }
      lastSlice = slice;
    }
    return mod(lastSlice);
  }

  /** Of what requests have earned within the window. */
  function share(atMs: number): number {
    turn(atMs);
    let left = 0;
    for (let i = 0; i < SLICES; i += 1) left += (earned[i] ?? 0) - (spent[i] ?? 0);
    return left;
  }

  return {
    deposit(atMs) {
      const at = turn(atMs);
      const repaid = Math.min(debt, ratio);
      debt -= repaid;
      earned[at] = (earned[at] ?? 0) + ratio - repaid;
    },
    succeed(atMs) {
      turn(atMs);
      const sinceMs = Math.max(0, atMs - (filledMs ?? atMs));
      reserve = Math.min(mostReserve, reserve + (minPerSecond * sinceMs) / 1000);
      debt = Math.min(debt, mostReserve - reserve);
      filledMs = atMs;
    },
    tryWithdraw(atMs) {
      // Rounding of a fifth, five times.
      if (share(atMs) >= 1 - 1e-9) {
        const at = turn(atMs);
        spent[at] = (spent[at] ?? 0) + 1;
        return true;
      }
      if (reserve < 1) return false;
      reserve -= 1;
      debt += 1;
      return true;
    },
    balance: (atMs) => Math.max(0, share(atMs)) + reserve,
  };
}

function mod(slice: number): number {
  return ((slice % SLICES) + SLICES) % SLICES;
}
