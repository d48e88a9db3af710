/** What an engine is given, what it gives back, and what faults do to it. */
import type { Outcome } from '../../lib/fleet/types.js';
import type { Lane } from './network.js';
import type { RequestSpec } from './scenario.js';
import type { ToyState } from './toy-engine.js';

/** What a worker sends back on the connection of one attempt. */
export interface AttemptHandler {
  progress(): void;
  warmed(): void;
  frame(seq: number, tokenId: number, bytes: Uint8Array): void;
  finish(reason: 'stop' | 'length', length: number): void;
  /** Also what the socket says: `reset`, `truncated`, `connect`. */
  failed(outcome: Outcome, retryAfterMs?: number): void;
}

export interface Submit {
  readonly request: RequestSpec;
  readonly choice: number;
  readonly incarnation: string;
  readonly generated: Int32Array;
  /** Generate nothing, only prefill. */
  readonly isWarm: boolean;
  /** For mutants of the replay contract: where the prompt ends, as the engine is told. */
  readonly promptEnd?: number;
}

/** One submitted request while the engine has it. */
export interface Job {
  readonly submit: Submit;
  readonly lane: Lane;
  readonly handler: AttemptHandler;
  readonly blocks: number;
  state: ToyState | null;
  prefillLeft: number;
  length: number;
  isCancelled: boolean;
  isBegun: boolean;
  /** The other side has said that it wants no more; here it may not have arrived. */
  isAbandoned: boolean;
}

/** What a fault does to an engine; survives its process. */
export interface EngineFaults {
  slowness: number;
  isHung: boolean;
  failsWith: Outcome | null;
  losesFinish: boolean;
}

export interface Engine {
  readonly active: number;
  readonly waiting: number;
  readonly kvUsed: number;
  readonly steps: number;
  readonly scheduledTokens: number;
  /** Prefill still to do, and with it decode still expected. */
  load(): { readonly prefillTokens: number; readonly activeTokens: number; readonly queued: number };
  submit(job: Job): void;
  cancel(job: Job): void;
  /** After a hang. */
  wake(): void;
  jobs(): readonly Job[];
}

export interface EngineHooks {
  onStep(): void;
  /** A request has left. */
  onEnd(job: Job): void;
  onPoison(job: Job): void;
}
