import { decodeBudgetMs, type EnginePolicy, prefillBudgetMs } from './policy-budgets.js';
import { deadFinding, keepSince, stalled } from './policy-findings.js';
import type { EngineFinding, EngineLook } from './policy-types.js';
import { judgeWatch, listen, type Silence, stepWatch, type WatchState } from './policy-watch.js';
import { creditMs, NO_SILENCE, stepWork, type WorkSilence } from './policy-work.js';

export interface EngineState {
  readonly policy: EnginePolicy;
  /** Null before the first look. */
  readonly lookedAtMs: number | null;
  readonly work: WorkSilence;
  readonly load: Silence;
  readonly watches: readonly WatchState[];
  readonly finding: EngineFinding | null;
}

/**
 * Looks come every 500 ms. A longer pause means that the looker itself was stopped (the whole process frozen, the machine
 * suspended): nothing can be known about that time, so it counts as one late look.
 */
const LONGEST_LOOK_MS = 2000;
/** Below this a turn of the main loop is work, not a stall. */
const BUSY_MS = 100;

export function initialEngineState(policy: EnginePolicy): EngineState {
  return {
    policy,
    lookedAtMs: null,
    work: NO_SILENCE,
    load: { seen: 0, silentMs: 0 },
    watches: [],
    finding: null,
  };
}

/** Pure: one look, and what follows from it. */
export function stepEngine(state: EngineState, look: EngineLook): EngineState {
  const passedMs =
    state.lookedAtMs === null ? 0 : Math.min(LONGEST_LOOK_MS, Math.max(0, look.atMs - state.lookedAtMs));
  const turnedMs = look.mainBusyMs < BUSY_MS ? passedMs : Math.max(0, passedMs - look.mainBusyMs);

  const limitMs = prefillBudgetMs(state.policy);
  const work = stepWork(state.work, look, { turnedMs, passedMs, limitMs, isFound: isOfWork(state.finding) });
  const load = listen(state.load, look.progress, look.isLoading ? turnedMs : null);
  const isAtWork = look.running > 0 && work.silentMs >= state.policy.heartbeatMs;
  const wasAtWork = state.work.silentMs >= state.policy.heartbeatMs;
  const { heartbeatMs } = state.policy;
  const budget = silenceBudget({ ...state, work, load }, look);
  const workMs = Math.max(heartbeatMs, budget?.limitMs ?? 0);
  const passed = { passedMs, turnedMs, isAtWork, wasAtWork, heartbeatMs, workMs };
  // With several engines nobody knows whose tokens they are.
  const tokens = look.watches.length === 1 ? look.progress : 0;
  const watches = look.watches.map((facts) =>
    stepWatch(
      state.watches.find(({ id }) => id === facts.id),
      facts,
      passed,
      tokens,
    ),
  );
  const next = { ...state, lookedAtMs: look.atMs, work, load, watches };
  const found = judge(next, look, budget);
  return { ...next, finding: found === null ? null : keepSince(state.finding, found) };
}

function isOfWork(finding: EngineFinding | null): boolean {
  return finding?.cause === 'prefill' || finding?.cause === 'decode';
}

function judge(state: EngineState, look: EngineLook, budget: Budget | null): EngineFinding | null {
  const { policy } = state;
  for (const { id, dead, process } of look.watches) {
    const cause = dead ?? (process === 'gone' ? 'gone' : null);
    if (cause === null) continue;
    const deadMs = state.watches.find((watch) => watch.id === id)?.deadMs ?? 0;
    return { ...deadFinding(cause, id, look.atMs - deadMs), isNotLive: deadMs >= policy.liveStallMs };
  }
  for (const facts of look.watches) {
    const watch = state.watches.find(({ id }) => id === facts.id);
    const found = watch === undefined ? null : judgeWatch(watch, facts, policy, look.atMs);
    if (found !== null) return found;
  }
  if (budget === null) return recovering(state, look);
  const { cause, limitMs, silentMs, extraMs } = budget;
  if (silentMs < limitMs) return null;
  const what = { load: 'while loading', prefill: 'with requests in flight', decode: 'in a running answer' }[
    cause
  ];
  // A debugger in the engine's process is a person at work, whatever else is silent.
  const isTraced = look.watches.some(({ process }) => process === 'traced');
  return stalled(cause, null, `No progress for more than ${limitMs} ms ${what}`, {
    sinceMs: look.atMs - silentMs,
    isFinal: !isTraced && silentMs >= limitMs + policy.liveStallMs + extraMs,
  });
}

/**
 * That its clients have given up does not make a stalled engine well: a test request or a straggler may, and after
 * `liveStallMs` in which nobody asked it is given another chance.
 */
function recovering({ finding, work, policy }: EngineState, { isLoading }: EngineLook): EngineFinding | null {
  if (!isOfWork(finding) || isLoading) return null;
  return work.silentMs > 0 && work.idleMs < policy.liveStallMs ? finding : null;
}

interface Budget {
  readonly cause: 'load' | 'prefill' | 'decode';
  readonly limitMs: number;
  readonly silentMs: number;
  readonly extraMs: number;
}

/** What silence is normal now: null when nothing is expected of the engine. */
function silenceBudget({ policy, work, load }: EngineState, look: EngineLook): Budget | null {
  if (look.isLoading) {
    const limitMs = policy.loadTimeoutMs === 0 ? Number.POSITIVE_INFINITY : policy.loadTimeoutMs;
    return { cause: 'load', limitMs, silentMs: load.silentMs, extraMs: 0 };
  }
  if (look.running === 0) return null;
  // One request in prefill may hold up all the others' tokens, so it decides.
  if (look.prefilling > 0) {
    const limitMs = prefillBudgetMs(policy);
    const extraMs = creditMs(work, look.givenUp, limitMs);
    return { cause: 'prefill', limitMs, silentMs: work.silentMs, extraMs };
  }
  const limitMs = Math.round(decodeBudgetMs(policy, look.rhythm));
  return { cause: 'decode', limitMs, silentMs: work.decodeMs, extraMs: 0 };
}
