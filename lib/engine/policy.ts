import type { Rhythm } from './policy-rhythm.js';
import { creditMs, NO_SILENCE, stepWork, type WorkSilence } from './policy-work.js';

/** Budgets of the progress watchdog and the engine monitor, in milliseconds. */
export interface EnginePolicy {
  /** Shortest and longest silence between two tokens that can count as a stall; between them it is the engine's rhythm. */
  readonly stallFloorMs: number;
  readonly stallCeilingMs: number;
  /** Silence while the engine loads; 0: without limit. */
  readonly loadTimeoutMs: number;
  /**
   * Silence while a request waits for its first token; null: `stallCeilingMs`. It is not adapted: the time of a long prompt
   * cannot be told from that of short ones.
   */
  readonly prefillTimeoutMs: number | null;
  /** Silence between two tokens, instead of the adapted one; null: adapted. */
  readonly decodeTimeoutMs: number | null;
  /** Silence of an engine that sends heartbeats. */
  readonly heartbeatMs: number;
  /** How long a stall that has withdrawn readiness may last before only a restart can help. */
  readonly liveStallMs: number;
}

export const DEFAULT_ENGINE_POLICY: EnginePolicy = {
  stallFloorMs: 10_000,
  stallCeilingMs: 120_000,
  loadTimeoutMs: 1_800_000,
  prefillTimeoutMs: null,
  decodeTimeoutMs: null,
  heartbeatMs: 3000,
  liveStallMs: 60_000,
};

/** Why an engine is dead: a restart is the only cure, and nothing is to be waited for. */
export type DeadCause = 'exit' | 'gone' | 'pipe_closed' | 'reported';
export type StallCause =
  | 'stopped'
  | 'check_timeout'
  | 'check_failed'
  | 'heartbeat'
  | 'load'
  | 'prefill'
  | 'decode';

/** What is known about one engine that the application asked to watch. */
export interface WatchFacts {
  /** Never used twice. */
  readonly id: number;
  readonly dead: DeadCause | null;
  /** Of the child process, as the kernel has it; null where there is none or the kernel does not tell. */
  readonly process: 'running' | 'stopped' | 'traced' | 'gone' | null;
  /** Heartbeats so far; null where none are expected. `isDirect`: counted without the main thread. */
  readonly beats: { readonly count: number; readonly isDirect: boolean } | null;
  readonly check: 'ok' | 'failed' | 'timeout' | null;
}

/** One look at the engine; numbers that count something matter only by having changed. */
export interface EngineLook {
  readonly atMs: number;
  /** How long the main thread has been in its present turn: what only it can see cannot be judged meanwhile. */
  readonly mainBusyMs: number;
  readonly isLoading: boolean;
  /** Requests that the engine works on; one whose client is slow to take the answer is not among them. */
  readonly running: number;
  /** Those of them that have not had a first token, or of which that is not known. */
  readonly prefilling: number;
  /** Tokens, steps, ended requests: whatever shows that the engine does something. */
  readonly progress: number;
  /** Requests that were given up before their first token. */
  readonly givenUp: number;
  readonly rhythm: Rhythm;
  readonly watches: readonly WatchFacts[];
}

/** What is wrong with the engine. */
export interface EngineFinding {
  readonly kind: 'dead' | 'stalled';
  readonly code: 'inference_engine.dead' | 'inference_engine.stalled' | 'inference_engine.check_failed';
  readonly cause: DeadCause | StallCause;
  /** The watch that it is about; null for the process's requests as a whole. */
  readonly watchId: number | null;
  readonly message: string;
  /** When the silence began. */
  readonly sinceMs: number;
  /** The engine has failed: at once when dead, else after `liveStallMs` more. */
  readonly isFinal: boolean;
  /** Only a restart can help: final, and nobody has replaced a dead engine for `liveStallMs`. */
  readonly isNotLive: boolean;
}

/** Time without a sign of life, counted only while somebody looked. */
interface Silence {
  readonly seen: number;
  readonly silentMs: number;
}

interface WatchState {
  readonly id: number;
  readonly beats: Silence;
  /**
   * Whether it beats while it computes a long prompt: seen to, seen not to (it computes on the loop that beats), or null
   * while no prompt was long enough to tell.
   */
  readonly beatsAtWork: boolean | null;
  /** The longest silence that anything it did since the last heartbeat may explain; what was given up may still go on. */
  readonly patientMs: number;
  readonly deadMs: number;
  readonly stoppedMs: number;
  readonly checkMs: number;
}

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
/** Two looks: a debugger or `kill -STOP; kill -CONT` of a moment is no finding. */
const STOPPED_MS = 900;
/** Before this many gaps there is no rhythm. */
const RHYTHM_SAMPLES = 20;
const P99_FACTOR = 6;
const LONGEST_FACTOR = 1.5;

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

/** Silence between two tokens from which on this engine counts as stalled, in milliseconds. */
export function decodeBudgetMs(policy: EnginePolicy, rhythm: Rhythm): number {
  if (policy.decodeTimeoutMs !== null) return policy.decodeTimeoutMs;
  if (rhythm.samples < RHYTHM_SAMPLES) return policy.stallCeilingMs;
  const usual = Math.max(P99_FACTOR * rhythm.p99Ms, LONGEST_FACTOR * rhythm.longestMs);
  return Math.min(policy.stallCeilingMs, Math.max(policy.stallFloorMs, usual));
}

function prefillBudgetMs({ prefillTimeoutMs, stallCeilingMs }: EnginePolicy): number {
  return prefillTimeoutMs ?? stallCeilingMs;
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

/** `addMs` null: no sign of life is expected now. */
function listen(silence: Silence, seen: number, addMs: number | null): Silence {
  if (addMs === null || seen !== silence.seen) return { seen, silentMs: 0 };
  return { seen, silentMs: silence.silentMs + addMs };
}

function isOfWork(finding: EngineFinding | null): boolean {
  return finding?.cause === 'prefill' || finding?.cause === 'decode';
}

interface Passed {
  readonly passedMs: number;
  /** In which the main thread turned. */
  readonly turnedMs: number;
  /** Requests are in flight, and there was no token for so long that an engine which only beats between them would not. */
  readonly isAtWork: boolean;
  /** The same at the look before. */
  readonly wasAtWork: boolean;
  readonly heartbeatMs: number;
  /** Silence that what it is doing may explain. */
  readonly workMs: number;
}

function stepWatch(
  previous: WatchState | undefined,
  facts: WatchFacts,
  { passedMs, turnedMs, isAtWork, wasAtWork, heartbeatMs, workMs }: Passed,
  tokens: number,
): WatchState {
  const { id, process, check } = facts;
  const isDead = facts.dead !== null || process === 'gone';
  const heard = previous?.beats ?? { seen: Number.NaN, silentMs: 0 };
  // Before the first heartbeat the engine starts; how long it may do that is the load budget's matter.
  const count = facts.beats?.count ?? 0;
  const beatMs =
    count === 0 || process === 'stopped' ? null : facts.beats?.isDirect === true ? passedMs : turnedMs;
  // A token is as good a sign of life as a heartbeat.
  const beats = listen(heard, count + tokens, beatMs);
  const isHeard = beats.silentMs === 0 && count > 0;
  let beatsAtWork = previous?.beatsAtWork ?? null;
  if (isHeard && heard.silentMs >= heartbeatMs && wasAtWork) beatsAtWork = false;
  else if (isHeard && isAtWork) beatsAtWork ??= true;
  return {
    id,
    beats,
    beatsAtWork,
    patientMs: isHeard ? workMs : Math.max(previous?.patientMs ?? 0, workMs),
    deadMs: isDead ? (previous?.deadMs ?? 0) + passedMs : 0,
    stoppedMs: process === 'stopped' && previous !== undefined ? previous.stoppedMs + passedMs : 0,
    checkMs: check === 'failed' || check === 'timeout' ? (previous?.checkMs ?? 0) + turnedMs : 0,
  };
}

/** The same finding began when it began: a length of silence that is counted in looks must not move it. */
function keepSince(previous: EngineFinding | null, found: EngineFinding): EngineFinding {
  if (previous === null || previous.cause !== found.cause || previous.watchId !== found.watchId) return found;
  const { isFinal, isNotLive, message } = previous;
  if (isFinal === found.isFinal && isNotLive === found.isNotLive && message === found.message)
    return previous;
  return { ...found, sinceMs: previous.sinceMs };
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

function judgeWatch(
  watch: WatchState,
  facts: WatchFacts,
  policy: EnginePolicy,
  atMs: number,
): EngineFinding | null {
  const { id, process, check } = facts;
  const mayEnd = process !== 'traced';
  if (watch.stoppedMs >= STOPPED_MS) {
    return stalled('stopped', id, 'The engine process is stopped by a signal', {
      sinceMs: atMs - watch.stoppedMs,
      isFinal: watch.stoppedMs >= STOPPED_MS + policy.liveStallMs,
    });
  }
  if (check === 'failed' || check === 'timeout') {
    const cause = check === 'failed' ? 'check_failed' : 'check_timeout';
    const message =
      check === 'failed' ? 'The engine check failed' : 'The engine check did not finish in time';
    const isFinal = mayEnd && watch.checkMs >= policy.liveStallMs;
    return stalled(cause, id, message, { sinceMs: atMs - watch.checkMs, isFinal });
  }
  const { silentMs } = watch.beats;
  // An engine that computes a prompt on the loop that beats is busy, not stalled; one that never did so is stalled.
  const { patientMs } = watch;
  const limitMs = watch.beatsAtWork === true ? policy.heartbeatMs : patientMs;
  if (silentMs < limitMs) return null;
  return stalled('heartbeat', id, `No heartbeat of the engine for more than ${limitMs} ms`, {
    sinceMs: atMs - silentMs,
    isFinal: mayEnd && silentMs >= patientMs + policy.liveStallMs,
  });
}

const DEAD: Readonly<Record<DeadCause, string>> = {
  exit: 'The engine process has exited',
  gone: 'The engine process is gone',
  pipe_closed: 'The engine process has closed its pipe',
  reported: 'The engine check says that the engine is dead',
};

export function deadFinding(cause: DeadCause, watchId: number, atMs: number): EngineFinding {
  return {
    kind: 'dead',
    code: 'inference_engine.dead',
    cause,
    watchId,
    message: DEAD[cause],
    sinceMs: atMs,
    isFinal: true,
    isNotLive: false,
  };
}

function stalled(
  cause: StallCause,
  watchId: number | null,
  message: string,
  { sinceMs, isFinal }: { readonly sinceMs: number; readonly isFinal: boolean },
): EngineFinding {
  const code = cause === 'check_failed' ? 'inference_engine.check_failed' : 'inference_engine.stalled';
  return { kind: 'stalled', code, cause, watchId, message, sinceMs, isFinal, isNotLive: isFinal };
}
