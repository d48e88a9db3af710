/**
 * Dynamo's documented thresholds: a worker is busy above any that is set, and free again only well below. All are off until
 * set. See docs/fleet/admission.md.
 */
export interface Thresholds {
  /** Share of KV blocks in use, 0 to 1. */
  readonly activeDecodeBlocks: number | null;
  /** Tokens that wait for their prefill. */
  readonly activePrefillTokens: number | null;
  /** The same as a share of the tokens of one batch, 0 or more. */
  readonly activePrefillTokensFraction: number | null;
}

export const NO_THRESHOLDS: Thresholds = {
  activeDecodeBlocks: null,
  activePrefillTokens: null,
  activePrefillTokensFraction: null,
};

/** What a worker reports; NaN where it does not. */
export interface WorkerPressure {
  /** Share of KV blocks in use, 0 to 1. */
  readonly kvRatio: number;
  readonly prefillTokens: number;
  readonly maxBatchedTokens: number;
  /** Tokens that its KV blocks hold. */
  readonly kvTokens?: number;
}

/** Leaves at this share of the threshold: 0.80 for 0.90, and 0.7 for 1. */
const LEAVE_DECODE = 0.8 / 0.9;
const LEAVE_PREFILL = 0.7;

/**
 * One worker's side. One that was busy stays so until it is below the lower borders of all.
 * @returns whether it is busy, given whether it was
 */
export function isBusy(thresholds: Thresholds, pressure: WorkerPressure, wasBusy: boolean): boolean {
  const { activeDecodeBlocks, activePrefillTokens, activePrefillTokensFraction } = thresholds;
  const { kvRatio, prefillTokens, maxBatchedTokens } = pressure;
  return (
    isOver(kvRatio, activeDecodeBlocks, wasBusy ? LEAVE_DECODE : 1) ||
    isOver(prefillTokens, activePrefillTokens, wasBusy ? LEAVE_PREFILL : 1) ||
    isOver(
      prefillTokens,
      activePrefillTokensFraction === null
        ? null
        : Math.floor(activePrefillTokensFraction * maxBatchedTokens),
      wasBusy ? LEAVE_PREFILL : 1,
    )
  );
}

/** Tokens that a worker takes before it is busy; Infinity: thresholds set no bound, or what they need is not reported. */
export function roomTokens(thresholds: Thresholds, pressure: WorkerPressure): number {
  const { activeDecodeBlocks, activePrefillTokens, activePrefillTokensFraction } = thresholds;
  const { kvRatio, prefillTokens, maxBatchedTokens, kvTokens = Number.NaN } = pressure;
  const rooms = [
    ((activeDecodeBlocks ?? Number.NaN) - kvRatio) * kvTokens,
    (activePrefillTokens ?? Number.NaN) - prefillTokens,
    (activePrefillTokensFraction ?? Number.NaN) * maxBatchedTokens - prefillTokens,
  ].filter((room) => !Number.isNaN(room));
  return Math.max(0, Math.min(Number.POSITIVE_INFINITY, ...rooms));
}

/** Strictly above, as documented; what is not reported exceeds nothing. */
function isOver(value: number, threshold: number | null, share: number): boolean {
  return threshold !== null && value > threshold * share;
}
