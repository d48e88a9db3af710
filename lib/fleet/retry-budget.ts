/**
 * How many further attempts a pool may make, so that a total outage costs little more than the requests themselves: a share
 * of the requests of the last seconds, and a few a second besides. The numbers are Finagle's. See docs/fleet/retry-budget.md.
 */
export interface RetryBudget {
  /** A request has begun: it earns a share of a retry. */
  deposit(atMs: number): void;
  /** Takes one retry; false: none is left. */
  tryWithdraw(atMs: number): boolean;
  /** Retries left now. */
  balance(atMs: number): number;
}

export interface RetryBudgetOptions {
  /** Retries a request earns. Default 0.2. */
  readonly ratio?: number;
  /** Retries a second that need no requests. Default 10. */
  readonly minPerSecond?: number;
  /** How long a deposit and a withdrawal count. Default 10 000. */
  readonly windowMs?: number;
}

const SLICES = 10;

export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, minPerSecond = 10, windowMs = 10_000 } = options;
  const sliceMs = windowMs / SLICES;
  const deposits = new Float64Array(SLICES);
  const withdrawals = new Float64Array(SLICES);
  let lastSlice = Number.NEGATIVE_INFINITY;
  let firstMs: number | null = null;

  function turn(atMs: number): number {
    firstMs ??= atMs;
    const slice = Math.floor(atMs / sliceMs);
    if (slice > lastSlice) {
      for (let gone = Math.max(lastSlice + 1, slice - SLICES + 1); gone <= slice; gone += 1) {
        deposits[mod(gone)] = 0;
        withdrawals[mod(gone)] = 0;
      }
      lastSlice = slice;
    }
    return mod(lastSlice);
  }

  function balance(atMs: number): number {
    turn(atMs);
    let earned = 0;
    let spent = 0;
    for (let i = 0; i < SLICES; i += 1) {
      earned += deposits[i] ?? 0;
      spent += withdrawals[i] ?? 0;
    }
    // As long as withdrawals are remembered, and no longer: the oldest slice goes as a whole. A pool that has just begun has
    // not had its seconds yet, but one of them it may spend in advance.
    const sinceMs = Math.max((firstMs ?? atMs) - 1000, (lastSlice - SLICES + 1) * sliceMs);
    const seconds = Math.max(0, atMs - sinceMs) / 1000;
    return earned * ratio + minPerSecond * seconds - spent;
  }

  return {
    deposit(atMs) {
      const at = turn(atMs);
      deposits[at] = (deposits[at] ?? 0) + 1;
    },
    tryWithdraw(atMs) {
      if (balance(atMs) < 1) return false;
      const at = turn(atMs);
      withdrawals[at] = (withdrawals[at] ?? 0) + 1;
      return true;
    },
    balance,
  };
}

function mod(slice: number): number {
  return ((slice % SLICES) + SLICES) % SLICES;
}
