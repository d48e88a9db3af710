import type { EngineFinding } from '../engine/policy-types.js';
import type { CanaryReport, GpuReport, HostFacts, LoopLevel, Owner, Phase, Status } from './types.js';

/** Everything that can change the status. Times are monotonic milliseconds and travel in the event: nothing here reads a clock. */
export type StatusEvent =
  | {
      readonly type: 'component';
      readonly atMs: number;
      readonly name: string;
      readonly status: Status;
      readonly reason: string | null;
      readonly message: string;
      readonly detail?: string | null;
      readonly durationMs?: number | null;
      readonly critical?: boolean;
      readonly owner?: Owner;
      readonly staleAfterMs?: number | null;
    }
  | { readonly type: 'component-removed'; readonly name: string }
  | {
      readonly type: 'endpoint';
      readonly atMs: number;
      readonly name: string;
      readonly status: 'ready' | 'notready';
      readonly reason: string | null;
    }
  /** Not ready, unless it is known already. */
  | { readonly type: 'endpoint-declared'; readonly atMs: number; readonly name: string }
  | { readonly type: 'hold'; readonly atMs: number; readonly name: string }
  | { readonly type: 'hold-released'; readonly name: string }
  | { readonly type: 'phase'; readonly atMs: number; readonly phase: Phase }
  | { readonly type: 'main-reported'; readonly atMs: number }
  /** The caller of `startHealth` has had its turn: what it has to claim it has claimed. */
  | { readonly type: 'settled' }
  /** Null: no GPU here, and none required. */
  | { readonly type: 'gpu'; readonly report: GpuReport | null }
  /** What the engine monitor found; null: nothing, or no longer. */
  | { readonly type: 'engine'; readonly finding: EngineFinding | null }
  /** What the test requests of one endpoint say; null: it is not served any more. */
  | { readonly type: 'canary'; readonly name: string; readonly report: CanaryReport | null }
  | { readonly type: 'sample'; readonly facts: HostFacts }
  | { readonly type: 'sample-failed'; readonly atMs: number; readonly message: string }
  | { readonly type: 'loop'; readonly atMs: number; readonly level: LoopLevel; readonly sinceMs: number };
