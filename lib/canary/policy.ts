import type { CanaryEntry, CanaryOutcome, CanaryReport } from '../status/types.js';

/** When test requests are sent and what follows from them; times in milliseconds. */
export interface CanaryPolicy {
  /** Without a success of any kind for this long, a test request is sent. */
  readonly waitMs: number;
  /** For the whole stream of a test request. */
  readonly timeoutMs: number;
  /** Not ready once this many of the last `of` test requests have failed. */
  readonly failures: number;
  readonly of: number;
  /** A wait is up to this share shorter, so that a fleet does not test in step. */
  readonly jitterPercent: number;
  /** Time out later where the engine has been slow, and test again sooner after a failure. */
  readonly adaptive: boolean;
}

/**
 * How a test request ended, before it is judged. `refused`: the process itself did not let it through, as while it drains.
 * `cut`: time was over while frames still came.
 */
export type CanaryEnd = 'ok' | 'failed' | 'timeout' | 'empty' | 'cut' | 'refused';

export type CanaryEvent =
  /** Time has passed. `busy`: requests that the engine works on; then the watchdog judges, and a test would only queue. */
  | { readonly type: 'time'; readonly atMs: number; readonly busy: number }
  /** A real request was answered, in part or in whole. */
  | { readonly type: 'traffic'; readonly atMs: number; readonly random: number }
  | {
      readonly type: 'ended';
      readonly atMs: number;
      readonly id: number;
      readonly end: CanaryEnd;
      readonly durationMs: number;
      /** Whether the engine did anything for others meanwhile, or is at work for them. */
      readonly progressed: boolean;
      readonly detail: string | null;
      readonly random: number;
    };

export type CanaryEffect =
  | { readonly type: 'send'; readonly id: number; readonly timeoutMs: number }
  | { readonly type: 'report'; readonly report: CanaryReport };

export interface CanaryState {
  readonly policy: CanaryPolicy;
  readonly report: CanaryReport;
  /** Whether each of the last conclusive test requests failed, oldest first; at most `of`. */
  readonly verdicts: readonly boolean[];
  /** When the next test request is due. */
  readonly dueMs: number;
  readonly running: number | null;
  readonly lastId: number;
  /** Exponential average of how long successful test requests took; 0 before the first. */
  readonly averageMs: number;
}

/** What `canary` of the document shows. */
const HISTORY = 10;
const AVERAGE_WEIGHT = 0.2;
const SLOWER = 5;
/** After a failure an adaptive canary asks again this soon. */
const SUSPECT_MS = 1000;
const NO_COUNTS: CanaryReport['counts'] = { ok: 0, failed: 0, timeout: 0, empty: 0, inconclusive: 0 };

/**
 * A fresh endpoint is not taken at its word: its first test request is due at once, and until it, or a real one, succeeds
 * the endpoint is not ready.
 */
export function initialCanary(policy: CanaryPolicy, atMs: number): CanaryState {
  return {
    policy,
    report: { status: 'pending', sinceMs: atMs, history: [], counts: NO_COUNTS },
    verdicts: [],
    dueMs: atMs,
    running: null,
    lastId: 0,
    averageMs: 0,
  };
}

export interface CanaryStep {
  readonly state: CanaryState;
  readonly effects: readonly CanaryEffect[];
}

/** Pure. `random`, 0 to 1, travels in the events as the time does. */
export function stepCanary(state: CanaryState, event: CanaryEvent): CanaryStep {
  switch (event.type) {
    case 'time':
      return onTime(state, event);
    case 'traffic': {
      const next = { ...state, verdicts: [], dueMs: event.atMs + waitMs(state.policy, event.random) };
      return withStatus(next, 'ok', event.atMs, state.report);
    }
    case 'ended':
      return onEnded(state, event);
  }
}

function waitMs({ waitMs: wait, jitterPercent }: CanaryPolicy, random: number): number {
  return wait * (1 - (jitterPercent / 100) * random);
}

function onTime(state: CanaryState, { atMs, busy }: CanaryEvent & { type: 'time' }): CanaryStep {
  // One at a time, however late its verdict is.
  if (state.running !== null || atMs < state.dueMs) return { state, effects: [] };
  // Whatever ends the last request in flight, an answer or a client that gave up, the test follows at once if it is due.
  if (busy > 0) return { state, effects: [] };
  const id = state.lastId + 1;
  const { timeoutMs, adaptive } = state.policy;
  const patience = adaptive ? Math.max(timeoutMs, SLOWER * state.averageMs) : timeoutMs;
  return {
    state: { ...state, running: id, lastId: id },
    effects: [{ type: 'send', id, timeoutMs: patience }],
  };
}

function onEnded(state: CanaryState, event: CanaryEvent & { type: 'ended' }): CanaryStep {
  // The verdict on a test request that nobody waits for any more.
  if (event.id !== state.running) return { state, effects: [] };
  const { atMs, durationMs, detail, random } = event;
  const outcome = judge(event);
  const { policy, report } = state;
  const entry: CanaryEntry = { atMs, outcome, durationMs, detail };
  const counts = { ...report.counts, [outcome]: report.counts[outcome] + 1 };
  const told = { ...report, counts, history: [...report.history, entry].slice(-HISTORY) };
  const verdicts =
    outcome === 'inconclusive' ? state.verdicts : [...state.verdicts, outcome !== 'ok'].slice(-policy.of);
  const suspects = policy.adaptive && verdicts.at(-1) === true;
  const averageMs =
    outcome === 'ok'
      ? state.averageMs === 0
        ? durationMs
        : state.averageMs + AVERAGE_WEIGHT * (durationMs - state.averageMs)
      : state.averageMs;
  const next: CanaryState = {
    ...state,
    running: null,
    verdicts,
    averageMs,
    report: told,
    dueMs: atMs + (suspects ? Math.min(SUSPECT_MS, policy.waitMs) : waitMs(policy, random)),
  };
  const failed = verdicts.filter((isFailure) => isFailure).length >= policy.failures;
  const status = failed ? 'failed' : outcome === 'ok' ? 'ok' : report.status;
  return withStatus(next, status, atMs, null);
}

/** A test request that timed out behind other work of an engine that moves says nothing about the engine. */
function judge({ end, progressed }: CanaryEvent & { type: 'ended' }): CanaryOutcome {
  switch (end) {
    case 'cut':
      return 'ok';
    case 'refused':
      return 'inconclusive';
    case 'timeout':
      return progressed ? 'inconclusive' : 'timeout';
    default:
      return end;
  }
}

/** `unless`: the report that is known already; nothing is told where the status is still the same. */
function withStatus(
  state: CanaryState,
  status: CanaryReport['status'],
  atMs: number,
  unless: CanaryReport | null,
): CanaryStep {
  if (unless !== null && unless.status === status) return { state, effects: [] };
  const { report } = state;
  const sinceMs = report.status === status ? report.sinceMs : atMs;
  const next = { ...report, status, sinceMs };
  return { state: { ...state, report: next }, effects: [{ type: 'report', report: next }] };
}
