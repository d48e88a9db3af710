/**
 * Keeps a worker registered: a lease, the records under it, and no more than that. Losing either never stops the worker, it
 * only begins anew. A worker whose engine stands still is not kept registered. See docs/fleet/lease-keeper.md.
 */
import { equalJitterMs } from './backoff.js';
import type { LeaseEffect, LeaseEvent, LeaseKeeperOptions, LeaseState } from './lease-types.js';

export type * from './lease-types.js';

const NEVER = Number.POSITIVE_INFINITY;

export function initialLease(options: LeaseKeeperOptions = {}): LeaseState {
  const defaults = { ttlMs: 10_000, hangMs: 30_000, backoffBaseMs: 250, backoffCapMs: 5000 };
  return {
    status: 'starting',
    lease: null,
    expiresMs: NEVER,
    keepAtMs: NEVER,
    retryAtMs: NEVER,
    failures: 0,
    pending: null,
    progressMs: 0,
    version: 1,
    written: 0,
    options: { ...defaults, ...options },
  };
}

interface Step {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

/** When the next `tick` is due; Infinity: never. */
export function leaseTimerMs(state: LeaseState): number {
  if (state.status === 'stopped' || state.status === 'withheld') return NEVER;
  return Math.min(state.keepAtMs, state.retryAtMs, state.expiresMs, state.progressMs + state.options.hangMs);
}

export function stepLease(state: LeaseState, event: LeaseEvent): Step {
  if (state.status === 'stopped') return { state, effects: [] };
  const next = apply(state, event);
  if (next.state.status === state.status) return next;
  return {
    state: next.state,
    effects: [...next.effects, { type: 'status', status: next.state.status }],
  };
}

function apply(state: LeaseState, event: LeaseEvent): Step {
  const { atMs } = event;
  switch (event.type) {
    case 'start':
      return grant({ ...state, progressMs: atMs });
    case 'granted':
      if (state.pending !== 'grant') return { state, effects: [{ type: 'revoke', lease: event.lease }] };
      return put(extend({ ...state, lease: event.lease, pending: null, failures: 0 }, event));
    case 'kept':
      if (event.lease !== state.lease) return stay(state);
      return put(extend({ ...state, pending: clear(state, 'keep'), failures: 0 }, event));
    case 'gone':
      return event.lease === state.lease ? lose(state, event) : stay(state);
    case 'put': {
      if (event.lease !== state.lease) return stay(state);
      const written: LeaseState = {
        ...state,
        pending: clear(state, 'put'),
        failures: 0,
        written: event.version,
      };
      return put({ ...written, status: 'registered', retryAtMs: NEVER });
    }
    case 'failed':
      return fail(state, event);
    case 'records':
      return put({ ...state, version: state.version + 1 });
    case 'progress': {
      const moved = { ...state, progressMs: atMs };
      return state.status === 'withheld' ? grant({ ...moved, status: 'lost' }) : stay(moved);
    }
    case 'tick':
      return tick(state, event);
    case 'stop': {
      const effects: LeaseEffect[] = state.lease === null ? [] : [{ type: 'revoke', lease: state.lease }];
      return { state: { ...state, status: 'stopped', lease: null, pending: null }, effects };
    }
  }
}

const stay = (state: LeaseState): Step => ({ state, effects: [] });
const clear = (state: LeaseState, call: LeaseState['pending']): LeaseState['pending'] =>
  state.pending === call ? null : state.pending;

function grant(state: LeaseState): Step {
  return {
    state: {
      ...state,
      lease: null,
      pending: 'grant',
      retryAtMs: NEVER,
      keepAtMs: NEVER,
      expiresMs: NEVER,
      written: 0,
    },
    effects: [{ type: 'grant', ttlMs: state.options.ttlMs }],
  };
}

/** The records go out whenever they are newer than what was written and no call is under way. */
function put(state: LeaseState): Step {
  const { lease, pending, written, version } = state;
  if (lease === null || pending !== null || written === version) return stay(state);
  return { state: { ...state, pending: 'put' }, effects: [{ type: 'put', lease, version }] };
}

/** A third of the time is left for two further attempts. */
function extend(state: LeaseState, { ttlMs, askedMs }: { ttlMs: number; askedMs: number }): LeaseState {
  return { ...state, expiresMs: askedMs + ttlMs, keepAtMs: askedMs + ttlMs / 3 };
}

function backoffMs({ failures, options }: LeaseState, random: number): number {
  return equalJitterMs(options.backoffBaseMs, failures, options.backoffCapMs, random);
}

function fail(state: LeaseState, event: LeaseEvent & { type: 'failed' }): Step {
  if (state.pending !== event.call || (event.call !== 'grant' && event.lease !== state.lease))
    return stay(state);
  const failed = { ...state, pending: null, failures: state.failures + 1 };
  const againMs = event.atMs + backoffMs(state, event.random);
  if (event.call === 'keep') return stay({ ...failed, keepAtMs: againMs });
  return stay({ ...failed, retryAtMs: againMs });
}

/** All workers lose theirs at once when the store does; they do not come back all at once. */
function lose(state: LeaseState, { atMs, random }: LeaseEvent): Step {
  return stay({
    ...state,
    status: 'lost',
    lease: null,
    pending: null,
    keepAtMs: NEVER,
    expiresMs: NEVER,
    written: 0,
    retryAtMs: atMs + (state.options.ttlMs / 2) * random,
  });
}

function tick(state: LeaseState, event: LeaseEvent): Step {
  const { atMs } = event;
  if (atMs >= state.progressMs + state.options.hangMs && state.status !== 'withheld') {
    const effects: LeaseEffect[] = state.lease === null ? [] : [{ type: 'revoke', lease: state.lease }];
    const idle = { lease: null, pending: null, keepAtMs: NEVER, retryAtMs: NEVER, expiresMs: NEVER } as const;
    return { state: { ...state, ...idle, status: 'withheld', written: 0 }, effects };
  }
  if (state.lease !== null && atMs >= state.expiresMs) return lose(state, event);
  if (state.lease === null && state.pending === null && atMs >= state.retryAtMs) return grant(state);
  if (state.lease !== null && state.pending === null) {
    if (atMs >= state.keepAtMs)
      return {
        state: { ...state, pending: 'keep', keepAtMs: NEVER },
        effects: [{ type: 'keep', lease: state.lease }],
      };
    if (atMs >= state.retryAtMs) return put({ ...state, retryAtMs: NEVER });
  }
  return stay(state);
}
