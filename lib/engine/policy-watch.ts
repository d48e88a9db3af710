import type { EnginePolicy } from './policy-budgets.js';
import { stalled } from './policy-findings.js';
import type { EngineFinding, WatchFacts } from './policy-types.js';

/** Time without a sign of life, counted only while somebody looked. */
export interface Silence {
  readonly seen: number;
  readonly silentMs: number;
}

export interface WatchState {
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

/** Two looks: a debugger or `kill -STOP; kill -CONT` of a moment is no finding. */
const STOPPED_MS = 900;

/** `addMs` null: no sign of life is expected now. */
export function listen(silence: Silence, seen: number, addMs: number | null): Silence {
  if (addMs === null || seen !== silence.seen) return { seen, silentMs: 0 };
  return { seen, silentMs: silence.silentMs + addMs };
}

/** Since the look before. */
export interface Passed {
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

export function stepWatch(
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

export function judgeWatch(
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
