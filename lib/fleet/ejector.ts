/**
 * Takes workers out of the choice by what their requests came to, and lets them back in by one request at a time. Outcomes
 * belong to a generation of a worker's record: what began before an ejection says nothing about the time after it.
 * See docs/fleet/ejector.md.
 */
import { createRecord, type Record } from './ejector-record.js';
import { type EjectorOptions, settings } from './ejector-settings.js';
import { outcomeClass } from './migratable.js';
import type { Outcome, WorkerRef } from './types.js';

export type { EjectorOptions } from './ejector-settings.js';

/** Returned by `permit`, handed back with the outcome. */
export type Generation = number;

export interface Candidate {
  readonly ref: WorkerRef;
  /** Share of the traffic that it should get, above 0 up to 1; below 1 after an ejection and for slow workers. */
  readonly weight: number;
  /** Failures of late, for pickers that compare loads: who fails fast must not look idle. */
  readonly recentFailures: number;
  /** The one request that decides whether it comes back; it must be asked for by `permit`. */
  readonly isTrial: boolean;
}

export interface EjectorView {
  readonly candidates: readonly Candidate[];
  /** Too few are left: ejections are ignored, those that failed longest ago first. */
  readonly isPanic: boolean;
  readonly ejected: number;
}

export interface Ejector {
  add(ref: WorkerRef, atMs: number): void;
  remove(ref: WorkerRef, atMs: number): void;
  /** Before a request is sent. Null: the worker is unknown. A candidate with `isTrial` is offered once until its outcome is in. */
  permit(ref: WorkerRef, atMs: number): Generation | null;
  /** How a request that had a permit ended; each permit once. */
  outcome(ref: WorkerRef, generation: Generation, outcome: Outcome, atMs: number, random: number): void;
  /** Evidence without a request: the process is gone, frozen or hung. */
  strike(ref: WorkerRef, atMs: number, random: number): void;
  /** Takes back what a poisonous request did to the worker's record. */
  forgive(ref: WorkerRef): void;
  /** Ratio of this worker's inter-token latency to the pool's median: above 3 it gets half the weight. */
  latency(ref: WorkerRef, ratio: number): void;
  /**
   * @param isAvailable false: drains or is cut off for other reasons; it counts for the panic, not as a candidate
   * @param sample of a pool that is too large to look at every worker for every request: all is said of these alone
   */
  view(atMs: number, isAvailable?: (ref: WorkerRef) => boolean, sample?: readonly WorkerRef[]): EjectorView;
  isEjected(ref: WorkerRef, atMs: number): boolean;
}

export function createEjector(options: EjectorOptions = {}): Ejector {
  const config = settings(options);
  const records = new Map<string, Record>();

  const find = ({ worker, incarnation }: WorkerRef): Record | undefined => {
    const record = records.get(worker);
    return record?.ref.incarnation === incarnation ? record : undefined;
  };

  function ejectedCount(atMs: number): number {
    let count = 0;
    for (const record of records.values()) if (record.isOut(atMs)) count += 1;
    return count;
  }

  /** At most a third, and never the last. */
  function cap(): number {
    const size = records.size;
    return Math.max(0, Math.min(Math.max(1, Math.floor(size * config.maxEjectedRatio)), size - 1));
  }

  const mayEject = (atMs: number): boolean => ejectedCount(atMs) < cap();

  function eject(record: Record, atMs: number, random: number): void {
    if (record.isOut(atMs)) record.renew(atMs, random);
    else if (mayEject(atMs)) record.eject(atMs, random);
  }

  /** Success rates far below the others', in a pool that is large and busy enough to compare. */
  function isRateOutlier(record: Record, atMs: number): boolean {
    const rates: number[] = [];
    for (const other of records.values()) {
      const rate = other.successRate(atMs, config.rateMinSamples);
      if (rate !== null) rates.push(rate);
    }
    const own = record.successRate(atMs, config.rateMinSamples);
    if (own === null || rates.length < config.rateMinHosts) return false;
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
    // Among others that are perfect a single failure already lies any number of deviations away.
    if (record.recentFailures(atMs) < config.rateMinFailures) return false;
    return own < mean - config.rateDeviations * Math.sqrt(variance) && own < mean;
  }

  return {
    add(ref, atMs) {
      if (find(ref) !== undefined) return;
      // Another incarnation is another worker: nothing of the old record holds for it.
      records.set(ref.worker, createRecord(ref, atMs, config));
    },
    remove(ref, atMs) {
      if (find(ref) === undefined) return;
      records.delete(ref.worker);
      // A smaller pool can spare fewer: those that have not failed for longest come back.
      const out = [...records.values()].filter((record) => record.isOut(atMs));
      out.sort((a, b) => a.lastFailureMs - b.lastFailureMs);
      for (const record of out.slice(0, Math.max(0, out.length - cap()))) record.readmit(atMs);
    },
    permit: (ref, atMs) => find(ref)?.permit(atMs) ?? null,
    outcome(ref, generation, outcome, atMs, random) {
      const record = find(ref);
      if (record === undefined || !record.settle(generation)) return;
      if (outcome === 'success') return record.succeed(atMs);
      if (!outcomeClass(outcome).ejects) return record.neutral(generation);
      record.fail(atMs, outcome === 'connect' || outcome === 'not_sent' ? 2 : 1);
      if (record.isTrial(atMs) || record.isSuspicious(atMs) || isRateOutlier(record, atMs))
        eject(record, atMs, random);
    },
    strike(ref, atMs, random) {
      const record = find(ref);
      if (record === undefined) return;
      record.fail(atMs, config.consecutive);
      eject(record, atMs, random);
    },
    forgive(ref) {
      find(ref)?.forgive();
    },
    latency(ref, ratio) {
      find(ref)?.setLatency(ratio);
    },
    view(atMs, isAvailable = () => true, sample) {
      const looked = sample?.flatMap((ref) => find(ref) ?? []) ?? [...records.values()];
      const available = looked.filter(({ ref }) => isAvailable(ref));
      const routable = available.filter((record) => !record.isOut(atMs) || record.mayTry(atMs));
      const isPanic = looked.length > 0 && routable.length / looked.length < config.panicRatio;
      const chosen = isPanic ? [...available].sort((a, b) => a.lastFailureMs - b.lastFailureMs) : routable;
      return {
        candidates: chosen.map((record) => record.candidate(atMs, isPanic)),
        isPanic: isPanic && available.length > routable.length,
        ejected:
          sample === undefined ? ejectedCount(atMs) : looked.filter((record) => record.isOut(atMs)).length,
      };
    },
    isEjected: (ref, atMs) => find(ref)?.isOut(atMs) ?? false,
  };
}
