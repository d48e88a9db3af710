import type { Rhythm } from './policy-rhythm.js';

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

/** Before this many gaps there is no rhythm. */
const RHYTHM_SAMPLES = 20;
const P99_FACTOR = 6;
const LONGEST_FACTOR = 1.5;

/** Silence between two tokens from which on this engine counts as stalled, in milliseconds. */
export function decodeBudgetMs(policy: EnginePolicy, rhythm: Rhythm): number {
  if (policy.decodeTimeoutMs !== null) return policy.decodeTimeoutMs;
  if (rhythm.samples < RHYTHM_SAMPLES) return policy.stallCeilingMs;
  const usual = Math.max(P99_FACTOR * rhythm.p99Ms, LONGEST_FACTOR * rhythm.longestMs);
  return Math.min(policy.stallCeilingMs, Math.max(policy.stallFloorMs, usual));
}

/** Silence while a request waits for its first token, in milliseconds. */
export function prefillBudgetMs({ prefillTimeoutMs, stallCeilingMs }: EnginePolicy): number {
  return prefillTimeoutMs ?? stallCeilingMs;
}
