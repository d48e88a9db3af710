import type { DeadCause, EngineFinding, StallCause } from './policy-types.js';

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

export function stalled(
  cause: StallCause,
  watchId: number | null,
  message: string,
  { sinceMs, isFinal }: { readonly sinceMs: number; readonly isFinal: boolean },
): EngineFinding {
  const code = cause === 'check_failed' ? 'inference_engine.check_failed' : 'inference_engine.stalled';
  return { kind: 'stalled', code, cause, watchId, message, sinceMs, isFinal, isNotLive: isFinal };
}

/** The same finding began when it began: a length of silence that is counted in looks must not move it. */
export function keepSince(previous: EngineFinding | null, found: EngineFinding): EngineFinding {
  if (previous === null || previous.cause !== found.cause || previous.watchId !== found.watchId) return found;
  const { isFinal, isNotLive, message } = previous;
  if (isFinal === found.isFinal && isNotLive === found.isNotLive && message === found.message)
    return previous;
  return { ...found, sinceMs: previous.sinceMs };
}
