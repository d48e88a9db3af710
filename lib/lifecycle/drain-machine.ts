/**
 * The end of a process, as a pure machine: `serving → announced → lame-duck → draining → fencing → stopped`. Times are
 * monotonic milliseconds and travel in the events.
 *
 * - announced: readiness says 503. Only when the probes say so is anything refused, since a balancer must learn of it first.
 * - lame-duck: stragglers of balancers that have not noticed yet are still served.
 * - draining: new requests are refused, those in flight finish; at the deadline what is left is ended with an error.
 * - fencing: clean-up hooks.
 */
export type DrainPhase = 'serving' | 'announced' | 'lame-duck' | 'draining' | 'fencing' | 'stopped';

/** Why the process drains, and what becomes of it then. */
export interface DrainCause {
  /** For people and logs: `SIGTERM`, `GPU failure`. */
  readonly reason: string;
  /** False: it only stops taking requests, until `resume`. */
  readonly exits: boolean;
  readonly exitCode: number;
  /** Exit code when requests or hooks had to be cut short. */
  readonly deadlineCode: number;
  /** A restart will not help: the phase is `failed`. */
  readonly isFinal: boolean;
  /** The application ends by itself: only its time is watched, and no hook is run before that is over. */
  readonly isLeftToOthers: boolean;
}

export interface DrainPolicy {
  /** From the beginning to the exit; Infinity: no end of it. */
  readonly gracePeriodMs: number;
  readonly lameDuckMs: number;
  /** False: requests in flight are ended as soon as new ones are refused. */
  readonly drain: boolean;
  /** Sum of the time limits of the clean-up hooks. */
  readonly hooksMs: number;
}

export interface DrainState {
  readonly phase: DrainPhase;
  readonly cause: DrainCause | null;
  readonly startedAtMs: number;
  /** The lame duck ends. */
  readonly refuseAtMs: number;
  /** What is still in flight is ended with an error. */
  readonly cutAtMs: number;
  /** Set once it was. */
  readonly wasCut: boolean;
  /** The end of the present wait: for the announcement, for errors to be written, for the hooks. */
  readonly waitUntilMs: number;
  /** The process exits, whatever is left. */
  readonly exitAtMs: number;
  /** Signals that counted, the first one included. */
  readonly signals: number;
  readonly lastSignalAtMs: number;
  /** Requests in flight, as last heard. */
  readonly active: number;
  /** Something was cut short that should have finished. */
  readonly isLate: boolean;
  readonly policy: DrainPolicy;
}

export type DrainEvent =
  | {
      readonly type: 'begin';
      readonly atMs: number;
      readonly cause: DrainCause;
      readonly policy: DrainPolicy;
      readonly active: number;
    }
  /** Another signal while the process drains already. */
  | { readonly type: 'signal'; readonly atMs: number }
  /** The probes say 503. */
  | { readonly type: 'announced'; readonly atMs: number }
  | { readonly type: 'active'; readonly atMs: number; readonly count: number }
  /** `isLate`: a hook did not end in its time. */
  | { readonly type: 'hooks-ended'; readonly atMs: number; readonly isLate: boolean }
  | { readonly type: 'resume'; readonly atMs: number }
  | { readonly type: 'time'; readonly atMs: number };

export type DrainEffect =
  | { readonly type: 'announce'; readonly isFinal: boolean; readonly exits: boolean }
  | { readonly type: 'refuse' }
  /** End what is in flight, each with an explicit error. */
  | { readonly type: 'cut'; readonly active: number }
  | { readonly type: 'run-hooks'; readonly untilMs: number }
  /** The hooks have only so long from now on. */
  | { readonly type: 'hurry-hooks'; readonly untilMs: number }
  | { readonly type: 'serve-again' }
  | { readonly type: 'exit'; readonly code: number; readonly active: number };

export interface DrainStep {
  readonly state: DrainState;
  readonly effects: readonly DrainEffect[];
}

const NEVER = Number.POSITIVE_INFINITY;
const NOTHING: readonly DrainEffect[] = [];

/** A probe thread that does not take the announcement in this time is not waited for. */
export const ANNOUNCE_LIMIT_MS = 250;
/** Signals that follow each other faster are one: a terminal signals the whole group, and npm passes it on once more. */
export const SIGNAL_REPEAT_MS = 200;
/** For errors to be written and flushed after the cut; at most a tenth of the grace period. */
export const CUT_LIMIT_MS = 500;
/** What a second signal leaves to the hooks. */
export const HURRIED_HOOKS_MS = 1000;

export function initialDrain(): DrainState {
  return {
    phase: 'serving',
    cause: null,
    startedAtMs: 0,
    refuseAtMs: NEVER,
    cutAtMs: NEVER,
    wasCut: false,
    waitUntilMs: NEVER,
    exitAtMs: NEVER,
    signals: 0,
    lastSignalAtMs: Number.NEGATIVE_INFINITY,
    active: 0,
    isLate: false,
    policy: { gracePeriodMs: NEVER, lameDuckMs: 0, drain: true, hooksMs: 0 },
  };
}

/** When the machine wants a `time` event next; Infinity: never. */
export function drainWakeAtMs(state: DrainState): number {
  switch (state.phase) {
    case 'serving':
    case 'stopped':
      return NEVER;
    case 'announced':
      return Math.min(state.waitUntilMs, state.exitAtMs);
    case 'lame-duck':
      return Math.min(state.refuseAtMs, state.cutAtMs, state.exitAtMs);
    case 'draining':
      // A pause has no end of its own.
      if (state.cause?.exits !== true) return state.wasCut || state.active === 0 ? NEVER : state.cutAtMs;
      return Math.min(state.wasCut ? state.waitUntilMs : state.cutAtMs, state.exitAtMs);
    case 'fencing':
      return Math.min(state.waitUntilMs, state.exitAtMs);
  }
}

/** How a grace period is shared out. Hooks get what they ask for, but never more than half of it: requests come first. */
export function drainBudget({ gracePeriodMs, hooksMs }: Pick<DrainPolicy, 'gracePeriodMs' | 'hooksMs'>): {
  /** From the beginning to the cut. */
  readonly drainMs: number;
  readonly cutMs: number;
  readonly hooksMs: number;
} {
  if (gracePeriodMs === NEVER) return { drainMs: NEVER, cutMs: CUT_LIMIT_MS, hooksMs };
  const cutMs = Math.min(CUT_LIMIT_MS, gracePeriodMs / 10);
  const forHooks = Math.min(hooksMs, gracePeriodMs / 2);
  return { drainMs: Math.max(0, gracePeriodMs - cutMs - forHooks), cutMs, hooksMs: forHooks };
}

export function stepDrain(state: DrainState, event: DrainEvent): DrainStep {
  if (state.phase === 'stopped') return { state, effects: NOTHING };
  switch (event.type) {
    case 'begin':
      return begin(state, event);
    case 'signal':
      return signal(state, event.atMs);
    case 'announced':
      return state.phase === 'announced' ? leaveAnnounced(state, event.atMs) : { state, effects: NOTHING };
    case 'active':
      return settle({ ...state, active: event.count }, event.atMs);
    case 'hooks-ended':
      if (state.phase !== 'fencing') return { state, effects: NOTHING };
      return stop({ ...state, isLate: state.isLate || event.isLate });
    case 'resume':
      return resume(state);
    case 'time':
      return time(state, event.atMs);
  }
}

function begin(state: DrainState, event: DrainEvent & { type: 'begin' }): DrainStep {
  const { atMs, policy, active } = event;
  const isSignal = event.cause.exits && state.cause?.exits !== true;
  const signals = isSignal ? 1 : state.signals;
  const lastSignalAtMs = isSignal ? atMs : state.lastSignalAtMs;
  const { drainMs } = drainBudget(policy);
  const planned: DrainState = {
    ...state,
    cause: worse(state.cause, event.cause),
    refuseAtMs: Math.min(state.refuseAtMs, atMs + policy.lameDuckMs),
    cutAtMs: Math.min(state.cutAtMs, atMs + (policy.drain ? drainMs : 0)),
    exitAtMs: event.cause.exits ? Math.min(state.exitAtMs, atMs + policy.gracePeriodMs) : state.exitAtMs,
    signals,
    lastSignalAtMs,
    active,
    policy,
  };
  const { isFinal, exits } = event.cause;
  if (state.phase === 'serving') {
    const announced: DrainState = {
      ...planned,
      phase: 'announced',
      startedAtMs: atMs,
      waitUntilMs: atMs + ANNOUNCE_LIMIT_MS,
    };
    return { state: announced, effects: [{ type: 'announce', isFinal, exits }] };
  }
  // What drained only until told otherwise now ends; what ends already can only end worse, and not later.
  const again: readonly DrainEffect[] =
    (exits && state.cause?.exits !== true) || (isFinal && state.cause?.isFinal !== true)
      ? [{ type: 'announce', isFinal, exits }]
      : NOTHING;
  return prepend(again, settle(planned, atMs));
}

/** An exit is more than a pause, and a failure is more than a signal. */
function worse(before: DrainCause | null, now: DrainCause): DrainCause {
  if (before === null || (!before.exits && now.exits)) return now;
  if (!now.exits || before.exitCode !== 0 || now.exitCode === 0) return before;
  return { ...now, isFinal: before.isFinal || now.isFinal };
}

function signal(state: DrainState, atMs: number): DrainStep {
  if (state.cause === null || atMs - state.lastSignalAtMs < SIGNAL_REPEAT_MS)
    return { state, effects: NOTHING };
  const next: DrainState = { ...state, signals: state.signals + 1, lastSignalAtMs: atMs };
  if (next.signals > 2) return stop({ ...next, isLate: true });
  switch (next.phase) {
    case 'serving':
    case 'stopped':
      return { state: next, effects: NOTHING };
    case 'announced':
      // The probes hear of it first even now; then there is no waiting.
      return { state: { ...next, refuseAtMs: atMs, cutAtMs: atMs }, effects: NOTHING };
    case 'lame-duck':
      return startDraining({ ...next, cutAtMs: atMs }, atMs);
    case 'draining':
      return settle({ ...next, cutAtMs: Math.min(next.cutAtMs, atMs) }, atMs);
    case 'fencing': {
      const untilMs = Math.min(next.waitUntilMs, atMs + HURRIED_HOOKS_MS);
      return {
        state: { ...next, waitUntilMs: untilMs },
        effects: [{ type: 'hurry-hooks', untilMs }],
      };
    }
  }
}

function leaveAnnounced(state: DrainState, atMs: number): DrainStep {
  if (atMs < state.refuseAtMs && atMs < state.cutAtMs)
    return { state: { ...state, phase: 'lame-duck' }, effects: NOTHING };
  return startDraining(state, atMs);
}

function startDraining(state: DrainState, atMs: number): DrainStep {
  return prepend([{ type: 'refuse' }], settle({ ...state, phase: 'draining', waitUntilMs: NEVER }, atMs));
}

/** Draining, looked at again: nothing in flight, or the time is over. */
function settle(state: DrainState, atMs: number): DrainStep {
  if (state.phase !== 'draining') return { state, effects: NOTHING };
  const { cause, active, policy } = state;
  const mayEnd = cause?.exits === true && (!cause.isLeftToOthers || state.wasCut || atMs >= state.cutAtMs);
  if (active === 0 && mayEnd) return fence(state, atMs);
  if (!state.wasCut && atMs >= state.cutAtMs && active > 0) {
    const waitUntilMs = Math.min(atMs + drainBudget(policy).cutMs, state.exitAtMs);
    // With `drain: false` to end them is what was asked for, not a lack of time.
    const isLate = state.isLate || policy.drain || state.signals > 1;
    return { state: { ...state, wasCut: true, waitUntilMs, isLate }, effects: [{ type: 'cut', active }] };
  }
  if (state.wasCut && atMs >= state.waitUntilMs && cause?.exits === true) return fence(state, atMs);
  return { state, effects: NOTHING };
}

function fence(state: DrainState, atMs: number): DrainStep {
  const isLate = state.isLate || isUnfinished(state);
  const hurriedMs = state.signals > 1 ? HURRIED_HOOKS_MS : NEVER;
  const untilMs = Math.min(state.exitAtMs, atMs + hurriedMs);
  return {
    state: { ...state, phase: 'fencing', waitUntilMs: untilMs, isLate },
    effects: [{ type: 'run-hooks', untilMs }],
  };
}

function stop(state: DrainState): DrainStep {
  const { cause, active } = state;
  const isLate = state.isLate || isUnfinished(state);
  const code = cause === null ? 0 : isLate ? cause.deadlineCode : cause.exitCode;
  return { state: { ...state, phase: 'stopped' }, effects: [{ type: 'exit', code, active }] };
}

/** With `drain: false` clients have had their errors; a handler that has not noticed yet is nobody's loss. */
function isUnfinished({ active, policy }: DrainState): boolean {
  return active > 0 && policy.drain;
}

/** Legal until the hooks run: what they have closed does not come back. */
function resume(state: DrainState): DrainStep {
  if (state.phase === 'serving' || state.phase === 'fencing') return { state, effects: NOTHING };
  return { state: initialDrain(), effects: [{ type: 'serve-again' }] };
}

function time(state: DrainState, atMs: number): DrainStep {
  switch (state.phase) {
    case 'serving':
    case 'stopped':
      return { state, effects: NOTHING };
    case 'announced':
      if (atMs < state.waitUntilMs && atMs < state.exitAtMs) return { state, effects: NOTHING };
      return leaveAnnounced(state, atMs);
    case 'lame-duck':
      if (atMs < state.refuseAtMs && atMs < state.cutAtMs) return { state, effects: NOTHING };
      return startDraining(state, atMs);
    case 'draining':
      return settle(state, atMs);
    case 'fencing':
      return atMs < state.waitUntilMs ? { state, effects: NOTHING } : stop({ ...state, isLate: true });
  }
}

function prepend(effects: readonly DrainEffect[], step: DrainStep): DrainStep {
  return effects.length === 0 ? step : { state: step.state, effects: [...effects, ...step.effects] };
}
