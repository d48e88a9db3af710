/** A scenario is plain data: what can be left out of it, shrinking leaves out. */
import type { AdmissionSpec, Standing } from './admission-spec.js';
import type { Clock } from './kernel.js';

export interface WorkerSpec {
  readonly name: string;
  readonly clock: Clock;
  /** Of one step that decodes one token for each running request, without load. */
  readonly stepMs: number;
  readonly prefillTokensPerMs: number;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly kvBlocks: number;
}

export interface RequestSpec extends Standing {
  readonly id: string;
  readonly atMs: number;
  readonly frontend: number;
  readonly seed: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly choices: number;
  readonly stop: readonly string[];
  /** After its arrival; null: none. */
  readonly deadlineMs: number | null;
  /** The client leaves this long after it came; null: it stays. */
  readonly leavesAfterMs: number | null;
  /** Whoever prefills it dies. */
  readonly isPoison: boolean;
}

export const FAULT_KINDS = [
  'crash',
  'restart',
  'pause',
  'slow',
  'hang',
  'drain',
  'delay',
  'loss',
  'reorder',
  'duplicate',
  'half_open',
  'partition',
  'overload',
  'engine_error',
  'numerical',
  'lost_finish',
  'bus_loss',
  'store_outage',
  'store_leader',
  'store_compaction',
  'store_data_loss',
  'store_lag',
  'store_split',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly durationMs: number;
  /** Index of the worker that it strikes; for a partition the other side is a frontend or the store. */
  readonly worker: number;
  readonly peer: 'frontend' | 'store';
  /** Of a partition: which way is closed. */
  readonly way: 'out' | 'in' | 'both';
  /** Probability for loss, reorder, duplicate; factor for slow and delay. */
  readonly amount: number;
}

export interface Scenario {
  readonly seed: number;
  /** `safety`: faults go on to the end. `liveness`: they stop, and then all must become well again. */
  readonly mode: 'safety' | 'liveness';
  readonly frontends: readonly Clock[];
  readonly workers: readonly WorkerSpec[];
  readonly requests: readonly RequestSpec[];
  readonly faults: readonly Fault[];
  readonly network: {
    readonly delayMs: number;
    readonly jitterMs: number;
    /** Whether what a partition stops arrives when it heals, as TCP would send it again, or is lost. */
    readonly isHeld: boolean;
  };
  /** Up to which requests arrive and faults strike. */
  readonly activeMs: number;
  readonly migrationLimit: number;
  readonly hedgePerSecond: number;
  /** Null: only the bounded queue, which is always there. */
  readonly admission: AdmissionSpec | null;
}

export interface Profile {
  readonly workers?: readonly [number, number];
  readonly requests?: readonly [number, number];
  readonly faults?: readonly [number, number];
  readonly kinds?: readonly FaultKind[];
  readonly mode?: Scenario['mode'];
  readonly maxTokens?: readonly [number, number];
  readonly migrationLimit?: number;
  readonly maxChoices?: number;
  /** No client leaves, no deadline, no poison, no limits. */
  readonly isPlain?: boolean;
  /** Every scenario knows all of its kinds of faults. */
  readonly hasAllKinds?: boolean;
  readonly maxRunning?: readonly [number, number];
  readonly maxWaiting?: readonly [number, number];
  /** Some requests kill who prefills them. */
  readonly isPoisonous?: boolean;
  /** In place of those that half of the seeds draw; null: none. */
  readonly admission?: AdmissionSpec | null;
  /** Who comes, although the rest is plain. */
  readonly hasTenants?: boolean;
  readonly activeMs?: number;
  /** Of faults, before a factor of 0.5 to 1.5. */
  readonly durationsMs?: readonly number[];
  /** None begins later. */
  readonly faultsUntilMs?: number;
}
