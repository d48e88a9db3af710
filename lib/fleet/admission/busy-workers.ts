/**
 * Which workers of a pool are above the thresholds, which may be set and cleared while it serves. See
 * docs/fleet/admission.md.
 */
import { isBusy, NO_THRESHOLDS, roomTokens, type Thresholds, type WorkerPressure } from './thresholds.js';

export interface BusyWorkers {
  readonly thresholds: Thresholds;
  /** Workers that have reported. */
  readonly size: number;
  /** Counts at once, for what workers have reported already; what is left out stays, null clears. */
  set(change: Partial<Thresholds>): void;
  report(worker: string, pressure: WorkerPressure): void;
  /** Tokens that were sent there since its report: they count until the next. */
  sent(worker: string, tokens: number): void;
  forget(worker: string): void;
  isBusy(worker: string): boolean;
  /** At least one worker is not busy, or none has reported: then thresholds say nothing. */
  readonly hasRoom: boolean;
  /** Tokens that those that are not busy take together before they are. */
  readonly roomTokens: number;
}

interface Member {
  pressure: WorkerPressure;
  isBusy: boolean;
}

export function createBusyWorkers(initial: Partial<Thresholds> = {}): BusyWorkers {
  const members = new Map<string, Member>();
  let thresholds: Thresholds = { ...NO_THRESHOLDS, ...initial };
  let busy = 0;

  function update(member: Member, wasBusy: boolean): void {
    if (member.isBusy) busy -= 1;
    member.isBusy = isBusy(thresholds, member.pressure, wasBusy);
    if (member.isBusy) busy += 1;
  }

  return {
    get thresholds() {
      return thresholds;
    },
    get size() {
      return members.size;
    },
    set(change) {
      thresholds = { ...thresholds, ...change };
      // Who was busy by the old ones is not held by the lower borders of the new ones.
      for (const member of members.values()) update(member, false);
    },
    report(worker, pressure) {
      const member = members.get(worker) ?? { pressure, isBusy: false };
      members.set(worker, member);
      member.pressure = pressure;
      update(member, member.isBusy);
    },
    sent(worker, tokens) {
      const member = members.get(worker);
      if (member === undefined) return;
      const { kvRatio, prefillTokens, kvTokens = Number.NaN } = member.pressure;
      const added = Number.isNaN(kvTokens) ? 0 : tokens / kvTokens;
      member.pressure = {
        ...member.pressure,
        kvRatio: kvRatio + added,
        prefillTokens: prefillTokens + tokens,
      };
      update(member, member.isBusy);
    },
    forget(worker) {
      if (members.get(worker)?.isBusy === true) busy -= 1;
      members.delete(worker);
    },
    isBusy: (worker) => members.get(worker)?.isBusy === true,
    get hasRoom() {
      return members.size === 0 || busy < members.size;
    },
    get roomTokens() {
      if (members.size === 0) return Number.POSITIVE_INFINITY;
      let sum = 0;
      for (const { pressure, isBusy } of members.values()) {
        if (!isBusy) sum += roomTokens(thresholds, pressure);
        if (sum === Number.POSITIVE_INFINITY) break;
      }
      return sum;
    },
  };
}
