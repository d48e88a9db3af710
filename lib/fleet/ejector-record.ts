import { equalJitterMs } from './backoff.js';
import type { EjectorSettings } from './ejector-settings.js';
import type { Mutable } from './mutable.js';
import type { WorkerRef } from './types.js';

export type { EjectorOptions } from './ejector-settings.js';

/** Weight of one outcome in the smoothed success. */
const EWMA_ALPHA = 0.1;
/** Failures further apart than so many windows do not add up. */
const ROW_GAP_WINDOWS = 10;
const SLOW_RATIO = 3;
const SLOW_WEIGHT = 0.5;
const FIRST_WEIGHT = 0.1;

/** The record of one incarnation of a worker. */
export interface Record {
  readonly ref: WorkerRef;
  readonly lastFailureMs: number;
  permit(atMs: number): number | null;
  /** False: the outcome belongs to an earlier generation. */
  settle(generation: number): boolean;
  succeed(atMs: number): void;
  /** Neither good nor bad; if it was the trial, another one may be. */
  neutral(generation: number): void;
  fail(atMs: number, strikes: number): void;
  forgive(): void;
  /** Ends an ejection before its time, with little weight at first. */
  readmit(atMs: number): void;
  setLatency(ratio: number): void;
  eject(atMs: number, random: number): void;
  renew(atMs: number, random: number): void;
  /** Ejected, or back only on trial. */
  isOut(atMs: number): boolean;
  /** The time is over and nobody tries it yet. */
  mayTry(atMs: number): boolean;
  isTrial(atMs: number): boolean;
  isSuspicious(atMs: number): boolean;
  successRate(atMs: number, minSamples: number): number | null;
  recentFailures(atMs: number): number;
  candidate(
    atMs: number,
    isPanic: boolean,
  ): { ref: WorkerRef; weight: number; recentFailures: number; isTrial: boolean };
}

export function createRecord(ref: WorkerRef, addedMs: number, config: EjectorSettings): Record {
  /** Even; the trial of a generation is the odd number after it, so that its outcome is told from those of a panic. */
  let generation = 0;
  let inRow = 0;
  let ewma = 1;
  let ejections = 0;
  /** Null: in. */
  let outUntilMs: number | null = null;
  let isTried = false;
  let rampSinceMs = Number.NEGATIVE_INFINITY;
  let lastForgottenMs = addedMs;
  let latencyRatio = 1;
  /** Outcomes of the last `windowMs` in two halves that take turns: cheap, and never older than that. */
  let half = { startMs: addedMs, good: 0, bad: 0 };
  let previous = { startMs: addedMs, good: 0, bad: 0 };

  function turn(atMs: number): void {
    const halfMs = config.windowMs / 2;
    if (atMs - half.startMs < halfMs) return;
    previous = atMs - half.startMs < config.windowMs ? half : { startMs: atMs, good: 0, bad: 0 };
    half = { startMs: atMs, good: 0, bad: 0 };
  }

  const samples = (): number => half.good + half.bad + previous.good + previous.bad;

  /** What began before counts for nothing after. */
  function nextGeneration(): void {
    generation += 2;
    isTried = false;
    inRow = 0;
    ewma = 1;
    half = { startMs: half.startMs, good: 0, bad: 0 };
    previous = { ...half };
  }

  function forget(atMs: number): void {
    const quietSinceMs = Math.max(record.lastFailureMs, lastForgottenMs);
    const steps = Math.floor((atMs - quietSinceMs) / config.forgetAfterMs);
    if (steps <= 0 || outUntilMs !== null) return;
    ejections = Math.max(0, ejections - steps);
    lastForgottenMs = atMs;
  }

  function stayOut(atMs: number, random: number): void {
    ejections += 1;
    const { baseEjectionMs, maxEjectionMs } = config;
    outUntilMs = atMs + equalJitterMs(baseEjectionMs, ejections - 1, maxEjectionMs, random);
    nextGeneration();
  }

  function readmit(atMs: number): void {
    outUntilMs = null;
    rampSinceMs = atMs;
    lastForgottenMs = atMs;
    nextGeneration();
  }

  function weight(atMs: number): number {
    const ramp = Math.min(1, FIRST_WEIGHT + (1 - FIRST_WEIGHT) * ((atMs - rampSinceMs) / config.rampMs));
    return Math.max(FIRST_WEIGHT, ramp) * (latencyRatio > SLOW_RATIO ? SLOW_WEIGHT : 1);
  }

  const record: Mutable<Record> = {
    ref,
    lastFailureMs: Number.NEGATIVE_INFINITY,
    permit(atMs) {
      if (outUntilMs === null) return generation;
      // One at a time, in a panic too: it is the trial that ends the ejection.
      if (atMs < outUntilMs || isTried) return generation;
      isTried = true;
      return generation + 1;
    },
    settle: (of) => of === generation || of === generation + 1,
    succeed(atMs) {
      turn(atMs);
      half.good += 1;
      inRow = 0;
      ewma += EWMA_ALPHA * (1 - ewma);
      if (outUntilMs === null) return forget(atMs);
      readmit(atMs);
    },
    neutral(of) {
      if (of === generation + 1) isTried = false;
    },
    fail(atMs, strikes) {
      turn(atMs);
      forget(atMs);
      // A few failures in a week are not failures in a row, though nobody else was asked in between.
      if (atMs - record.lastFailureMs > ROW_GAP_WINDOWS * config.windowMs) {
        inRow = 0;
        ewma = 1;
      }
      half.bad += 1;
      inRow += strikes;
      ewma -= EWMA_ALPHA * ewma;
      record.lastFailureMs = atMs;
    },
    forgive() {
      inRow = 0;
      ewma = 1;
      ejections = Math.max(0, ejections - 1);
      if (outUntilMs !== null) nextGeneration();
      outUntilMs = null;
    },
    readmit,
    setLatency(ratio) {
      latencyRatio = ratio;
    },
    eject: stayOut,
    renew(atMs, random) {
      if (outUntilMs !== null && atMs >= outUntilMs) stayOut(atMs, random);
    },
    isOut: () => outUntilMs !== null,
    mayTry: (atMs) => outUntilMs !== null && atMs >= outUntilMs && !isTried,
    isTrial: (atMs) => outUntilMs !== null && atMs >= outUntilMs,
    isSuspicious(atMs) {
      turn(atMs);
      return inRow >= config.consecutive || (samples() >= config.ewmaMinSamples && ewma < config.ewmaBelow);
    },
    successRate(atMs, minSamples) {
      turn(atMs);
      return samples() < minSamples ? null : (half.good + previous.good) / samples();
    },
    recentFailures(atMs) {
      turn(atMs);
      return half.bad + previous.bad;
    },
    candidate: (atMs, isPanic) => ({
      ref,
      weight: outUntilMs === null || isPanic ? weight(atMs) : FIRST_WEIGHT,
      recentFailures: half.bad + previous.bad,
      isTrial: !isPanic && outUntilMs !== null,
    }),
  };
  return record;
}
