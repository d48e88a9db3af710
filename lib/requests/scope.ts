/**
 * Cancellation of one request, as a pure machine: `open → stopping → killed → closed`. Stop asks for an early end and lets
 * what has been produced through; kill ends at once. A kill dominates a stop in whatever order they come. Times are
 * monotonic milliseconds and travel in the events.
 */
export type ScopePhase = 'open' | 'stopping' | 'killed' | 'closed';

/** Why a scope was cancelled. `orphaned`: its parent closed first, so nobody waits for it. */
export type CancelCode = 'cancelled' | 'disconnected' | 'deadline' | 'drain' | 'orphaned';

export interface CancelReason {
  readonly code: CancelCode;
  readonly message: string;
}

/** What happens to a request whose client is gone. */
export interface DisconnectPolicy {
  /** `continue` is for work whose result is fetched later. */
  readonly action: 'stop' | 'kill' | 'continue';
  /** Milliseconds from the disconnect to the action. */
  readonly graceMs: number;
}

export interface ScopePolicy {
  /** A stop becomes a kill after so many milliseconds; Infinity: never. */
  readonly escalateMs: number;
  readonly onDisconnect: DisconnectPolicy;
}

export const DEFAULT_SCOPE_POLICY: ScopePolicy = {
  escalateMs: 2000,
  onDisconnect: { action: 'stop', graceMs: 0 },
};

export type CancelLevel = 'none' | 'stop' | 'kill';

export interface ScopeState {
  /** How it was cancelled, kept beyond `close`. */
  readonly level: CancelLevel;
  readonly isClosed: boolean;
  /** Null while `level` is `none`. */
  readonly reason: CancelReason | null;
  /** Infinity: none. */
  readonly deadlineAtMs: number;
  /** When a stop becomes a kill; Infinity while it is not stopping. */
  readonly escalatesAtMs: number;
  /** The end of the grace after a disconnect; Infinity while the client is there. */
  readonly disconnectAtMs: number;
  readonly policy: ScopePolicy;
}

export type ScopeEvent =
  | { readonly type: 'stop' | 'kill' | 'disconnect'; readonly atMs: number; readonly reason: CancelReason }
  /** A parent's deadline that a link brought. */
  | { readonly type: 'tighten'; readonly atMs: number; readonly deadlineAtMs: number }
  | { readonly type: 'time'; readonly atMs: number }
  | { readonly type: 'close'; readonly atMs: number };

export type ScopeEffect =
  /** Tell whoever listens, and do the same to every child. */
  | { readonly type: 'stop' | 'kill'; readonly reason: CancelReason }
  | { readonly type: 'tighten'; readonly deadlineAtMs: number }
  /** Children that are still open have nobody left. */
  | { readonly type: 'close' };

export interface ScopeStep {
  readonly state: ScopeState;
  readonly effects: readonly ScopeEffect[];
}

const NEVER = Number.POSITIVE_INFINITY;
const NOTHING: readonly ScopeEffect[] = [];

export function openScope(policy: ScopePolicy, deadlineAtMs: number): ScopeState {
  return {
    level: 'none',
    isClosed: false,
    reason: null,
    deadlineAtMs,
    escalatesAtMs: NEVER,
    disconnectAtMs: NEVER,
    policy,
  };
}

export function phaseOf({ isClosed, level }: ScopeState): ScopePhase {
  return isClosed ? 'closed' : level === 'none' ? 'open' : level === 'stop' ? 'stopping' : 'killed';
}

/** When the machine wants a `time` event next; Infinity: never. */
export function wakeAtMs(state: ScopeState): number {
  if (state.isClosed || state.level === 'kill') return NEVER;
  return Math.min(state.deadlineAtMs, state.escalatesAtMs, state.disconnectAtMs);
}

/** Returns the same state where nothing changes: every event is idempotent. */
export function stepScope(state: ScopeState, event: ScopeEvent): ScopeStep {
  if (state.isClosed) return { state, effects: NOTHING };
  switch (event.type) {
    case 'stop':
      return stop(state, event.atMs, event.reason);
    case 'kill':
      return kill(state, event.reason);
    case 'disconnect':
      return disconnect(state, event.atMs, event.reason);
    case 'tighten': {
      const { deadlineAtMs } = event;
      if (deadlineAtMs >= state.deadlineAtMs) return { state, effects: NOTHING };
      const tightened = { ...state, deadlineAtMs };
      const { state: next, effects } = time(tightened, event.atMs);
      return { state: next, effects: [{ type: 'tighten', deadlineAtMs }, ...effects] };
    }
    case 'time':
      return time(state, event.atMs);
    case 'close':
      return { state: { ...state, isClosed: true }, effects: [{ type: 'close' }] };
  }
}

function stop(state: ScopeState, atMs: number, reason: CancelReason): ScopeStep {
  if (state.level !== 'none') return { state, effects: NOTHING };
  const escalatesAtMs = atMs + state.policy.escalateMs;
  const stopped: ScopeState = { ...state, level: 'stop', reason, escalatesAtMs };
  // Without any time to stop in, a stop is a kill.
  if (state.policy.escalateMs <= 0) return kill(stopped, reason);
  return { state: stopped, effects: [{ type: 'stop', reason }] };
}

function kill(state: ScopeState, reason: CancelReason): ScopeStep {
  if (state.level === 'kill') return { state, effects: NOTHING };
  return { state: { ...state, level: 'kill', reason }, effects: [{ type: 'kill', reason }] };
}

function disconnect(state: ScopeState, atMs: number, reason: CancelReason): ScopeStep {
  const { action, graceMs } = state.policy.onDisconnect;
  if (action === 'continue' || state.disconnectAtMs !== NEVER) return { state, effects: NOTHING };
  if (graceMs > 0) return { state: { ...state, disconnectAtMs: atMs + graceMs }, effects: NOTHING };
  return action === 'kill' ? kill(state, reason) : stop(state, atMs, reason);
}

/** A result after the deadline is of no use to anybody: the deadline kills, it does not ask. */
function time(state: ScopeState, atMs: number): ScopeStep {
  if (state.level === 'kill') return { state, effects: NOTHING };
  if (atMs >= state.deadlineAtMs)
    return kill(state, { code: 'deadline', message: 'the deadline of the request has passed' });
  if (atMs >= state.escalatesAtMs) {
    const { code, message } = state.reason ?? { code: 'cancelled', message: 'cancelled' };
    return kill(state, { code, message: `${message}; not stopped within ${state.policy.escalateMs} ms` });
  }
  if (atMs >= state.disconnectAtMs) {
    const reason: CancelReason = { code: 'disconnected', message: 'the client is gone' };
    const due: ScopeState = { ...state, disconnectAtMs: NEVER };
    return state.policy.onDisconnect.action === 'kill' ? kill(due, reason) : stop(due, atMs, reason);
  }
  return { state, effects: NOTHING };
}
