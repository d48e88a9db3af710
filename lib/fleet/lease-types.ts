/** What a lease keeper hears and says, and how it stands. See docs/fleet/lease-keeper.md. */
export type LeaseEvent = {
  readonly atMs: number;
  /** 0 ≤ r < 1 */
  readonly random: number;
} & (
  | { readonly type: 'start' }
  /** @param askedMs when the request was sent: the lease may have begun then */
  | { readonly type: 'granted'; readonly lease: string; readonly ttlMs: number; readonly askedMs: number }
  | { readonly type: 'kept'; readonly lease: string; readonly ttlMs: number; readonly askedMs: number }
  /** The store does not know the lease any more. */
  | { readonly type: 'gone'; readonly lease: string }
  /** A call failed or took too long; the lease may still be there. */
  | { readonly type: 'failed'; readonly call: 'grant' | 'keep' | 'put'; readonly lease: string | null }
  | { readonly type: 'put'; readonly lease: string; readonly version: number }
  /** The records have changed, as when the worker begins to drain. */
  | { readonly type: 'records' }
  /** The engine made a step, or has nothing to do. */
  | { readonly type: 'progress' }
  | { readonly type: 'tick' }
  | { readonly type: 'stop' }
);

export type LeaseEffect =
  | { readonly type: 'grant'; readonly ttlMs: number }
  | { readonly type: 'keep'; readonly lease: string }
  /** Write the records of this version under the lease. */
  | { readonly type: 'put'; readonly lease: string; readonly version: number }
  | { readonly type: 'revoke'; readonly lease: string }
  | { readonly type: 'status'; readonly status: LeaseStatus };

/** `registered`: the records are in the store, as far as can be known. `withheld`: on purpose, since the engine stands still. */
export type LeaseStatus = 'starting' | 'registered' | 'lost' | 'withheld' | 'stopped';

export interface LeaseKeeperOptions {
  /** Default 10 000. */
  readonly ttlMs?: number;
  /** Without progress of the engine for this long the lease is let go. Default 30 000. */
  readonly hangMs?: number;
  /** Waits between attempts while the store does not answer. Default 250 to 5000. */
  readonly backoffBaseMs?: number;
  readonly backoffCapMs?: number;
}

export interface LeaseState {
  readonly status: LeaseStatus;
  readonly lease: string | null;
  /** When the store may drop the lease, counted from the last call that it answered. */
  readonly expiresMs: number;
  readonly keepAtMs: number;
  /** The next grant or put after a failure. */
  readonly retryAtMs: number;
  readonly failures: number;
  readonly pending: 'grant' | 'keep' | 'put' | null;
  readonly progressMs: number;
  /** Version of the records to be written, and of those that were. */
  readonly version: number;
  readonly written: number;
  readonly options: Required<LeaseKeeperOptions>;
}
