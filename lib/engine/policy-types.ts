import type { Rhythm } from './policy-rhythm.js';

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
