/**
 * How long the engine has worked without a sign of it: counted only while it had something to do and somebody could have
 * seen a sign. Pure.
 */
export interface WorkSilence {
  /** Count of signs when it began. */
  readonly seen: number;
  readonly silentMs: number;
  /** The end of it, in which every request in flight had had its first token. */
  readonly decodeMs: number;
  /** Since the engine last had something to do. */
  readonly idleMs: number;
  /** Count of requests that were given up before their first token, when it began. */
  readonly givenUp: number;
}

export const NO_SILENCE: WorkSilence = { seen: 0, silentMs: 0, decodeMs: 0, idleMs: 0, givenUp: 0 };

export interface WorkLook {
  readonly running: number;
  readonly prefilling: number;
  readonly progress: number;
  readonly givenUp: number;
}

/**
 * Clients that give up on a hung engine and come back must not start the count anew each time. Yet who gave up on a long
 * prompt says nothing about the next one: while idle, half of the limit is kept, and all of it once it was found.
 */
export function stepWork(
  silence: WorkSilence,
  { running, prefilling, progress, givenUp }: WorkLook,
  {
    turnedMs,
    passedMs,
    isFound,
    limitMs,
  }: Readonly<Record<'turnedMs' | 'passedMs' | 'limitMs', number>> & {
    readonly isFound: boolean;
  },
): WorkSilence {
  if (progress !== silence.seen) return { ...NO_SILENCE, seen: progress, givenUp };
  const { silentMs, decodeMs, idleMs } = silence;
  if (running === 0) {
    const kept = isFound
      ? { silentMs, decodeMs }
      : { silentMs: Math.min(silentMs, limitMs / 2), decodeMs: 0 };
    return { ...silence, ...kept, idleMs: idleMs + passedMs };
  }
  return {
    ...silence,
    silentMs: silentMs + turnedMs,
    // A prompt may hold up every answer: when it is gone, whoever waited gets his whole time.
    decodeMs: prefilling > 0 ? 0 : decodeMs + turnedMs,
    idleMs: 0,
  };
}

/** Prompts in a row that were given up may each have been long; beyond this many it is the engine. */
const MOST_CREDITS = 2;

/** What is added to the time after which only a restart helps. */
export function creditMs(silence: WorkSilence, givenUp: number, limitMs: number): number {
  return Math.min(MOST_CREDITS, givenUp - silence.givenUp) * limitMs;
}
