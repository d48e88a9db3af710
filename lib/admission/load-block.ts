import { REJECTION_REASONS, type RejectionReason } from './policy.js';

/** Figures that only the application knows, in the order of their slots. */
export const LOAD_FIGURES = ['running', 'waiting', 'kvBlocksUsed', 'kvBlocksTotal', 'prefillTokens'] as const;
export type LoadFigure = (typeof LOAD_FIGURES)[number];

/** Int32 words at the beginning of the block. */
const WORD = {
  /** Changes with everything that is written. */
  version: 0,
  /** Bit per figure that has been reported; {@link LIMITED} where there are limits. Documents are rendered anew with it. */
  shape: 1,
} as const;
const LIMITED = 1 << LOAD_FIGURES.length;

/** 64-bit slots behind the words. */
const SLOT = {
  admitted: 1,
  queued: 2,
  maxConcurrent: 3,
  maxQueue: 4,
  /** Monotonic microseconds of the last report; 0 before the first. */
  reportedAtUs: 5,
  figures: 6,
  rejections: 6 + LOAD_FIGURES.length,
} as const;
const BLOCK_BYTES = 8 * (SLOT.rejections + REJECTION_REASONS.length);

/**
 * Load of the process, written by the main thread and read by the probe thread while the main one is blocked. Each value
 * is a 64-bit atomic of its own; two of them may be of two moments.
 */
export interface LoadWriter {
  readonly buffer: SharedArrayBuffer;
  limits(maxConcurrent: number, maxQueue: number): void;
  counts(admitted: number, queued: number): void;
  rejected(reason: RejectionReason): void;
  report(figures: Partial<Readonly<Record<LoadFigure, number>>>, atMs: number): void;
}

export function createLoadBlock(): LoadWriter {
  const buffer = new SharedArrayBuffer(BLOCK_BYTES);
  const words = new Int32Array(buffer, 0, 2);
  const slots = new BigInt64Array(buffer);
  const store = (slot: number, value: number): void => void Atomics.store(slots, slot, BigInt(value));
  const touch = (): void => void Atomics.add(words, WORD.version, 1);
  return {
    buffer,
    limits(maxConcurrent, maxQueue) {
      store(SLOT.maxConcurrent, maxConcurrent);
      store(SLOT.maxQueue, maxQueue);
      Atomics.or(words, WORD.shape, LIMITED);
      touch();
    },
    counts(admitted, queued) {
      store(SLOT.admitted, admitted);
      store(SLOT.queued, queued);
      touch();
    },
    rejected(reason) {
      Atomics.add(slots, SLOT.rejections + REJECTION_REASONS.indexOf(reason), 1n);
      touch();
    },
    report(figures, atMs) {
      let known = 0;
      LOAD_FIGURES.forEach((name, index) => {
        const value = figures[name];
        if (value === undefined) return;
        store(SLOT.figures + index, Math.round(value));
        known |= 1 << index;
      });
      store(SLOT.reportedAtUs, Math.round(atMs * 1000));
      Atomics.or(words, WORD.shape, known);
      touch();
    },
  };
}

/** Reused by every read. */
export interface LoadSummary {
  admitted: number;
  queued: number;
  /** Monotonic milliseconds; NaN before the first report. */
  reportedAtMs: number;
  /** By figure; NaN where it was never reported. */
  readonly figures: Record<LoadFigure, number>;
  readonly rejections: Record<RejectionReason, number>;
}

/** Which figures there are: the document has keys for these. */
export interface LoadShape {
  /** Null without limits. */
  readonly limits: { readonly maxConcurrent: number; readonly maxQueue: number } | null;
  readonly figures: readonly LoadFigure[];
}

export interface LoadReader {
  /** Fills and returns one object, always the same. */
  read(): LoadSummary;
  version(): number;
  /** Another number whenever {@link LoadReader.shape} would say something else. */
  shapeVersion(): number;
  /** Null while there is nothing to show. */
  shape(): LoadShape | null;
}

export function createLoadReader(buffer: SharedArrayBuffer): LoadReader {
  const words = new Int32Array(buffer, 0, 2);
  const slots = new BigInt64Array(buffer);
  const load = (slot: number): number => Number(Atomics.load(slots, slot));
  const isKnown = (index: number): boolean => (Atomics.load(words, WORD.shape) & (1 << index)) !== 0;
  const summary: LoadSummary = {
    admitted: 0,
    queued: 0,
    reportedAtMs: Number.NaN,
    figures: {
      running: Number.NaN,
      waiting: Number.NaN,
      kvBlocksUsed: Number.NaN,
      kvBlocksTotal: Number.NaN,
      prefillTokens: Number.NaN,
    },
    rejections: { queue_full: 0, queue_bytes: 0, queue_timeout: 0, deadline: 0, draining: 0 },
  };
  return {
    read() {
      summary.admitted = load(SLOT.admitted);
      summary.queued = load(SLOT.queued);
      const reportedAtUs = load(SLOT.reportedAtUs);
      summary.reportedAtMs = reportedAtUs === 0 ? Number.NaN : reportedAtUs / 1000;
      LOAD_FIGURES.forEach((name, index) => {
        summary.figures[name] = isKnown(index) ? load(SLOT.figures + index) : Number.NaN;
      });
      REJECTION_REASONS.forEach((reason, index) => {
        summary.rejections[reason] = load(SLOT.rejections + index);
      });
      return summary;
    },
    version: () => Atomics.load(words, WORD.version),
    shapeVersion: () => Atomics.load(words, WORD.shape),
    shape() {
      const shape = Atomics.load(words, WORD.shape);
      if (shape === 0) return null;
      return {
        limits:
          (shape & LIMITED) === 0
            ? null
            : { maxConcurrent: load(SLOT.maxConcurrent), maxQueue: load(SLOT.maxQueue) },
        figures: LOAD_FIGURES.filter((_, index) => isKnown(index)),
      };
    },
  };
}
