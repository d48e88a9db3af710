/** Promises 8, 13, 14, 15 and 20, from what goes into the admission and what comes out, with books of their own. */
import {
  type Arrival,
  DEFAULT_CLASSES,
  type PoolAdmission,
  type PoolAdmissionEffect,
} from '../../../lib/fleet/admission/admission.js';
import type { AdmissionSpec } from '../admission-spec.js';
import type { Core } from './core.js';
import { createFairness } from './fairness.js';
import { createRoomBook } from './room-book.js';

export interface Booked {
  readonly tenant: string;
  readonly level: number;
  readonly promptTokens: number;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly deadlineMs: number;
  /** That it takes up; grows with what is generated beyond what was expected. */
  tokens: number;
  generated: number;
  readonly expectedTokens: number;
}

type Admit = PoolAdmissionEffect & { readonly type: 'admit' };
type Reject = PoolAdmissionEffect & { readonly type: 'reject' };

/** A timer comes that much late at most. */
const LATE_MS = 1;

export function createAdmissionChecks(core: Core, spec: AdmissionSpec, admission: PoolAdmission) {
  const { checks } = core.world;
  const { classes = DEFAULT_CLASSES, maxConcurrent = Number.POSITIVE_INFINITY } = spec.options;
  const waiting = new Map<number, Booked>();
  const running = new Map<number, Booked>();
  const room = createRoomBook(spec.thresholds);
  const fairness = createFairness(checks, waiting, running);
  let runningTokens = 0;
  let firstUntilMs = Number.POSITIVE_INFINITY;
  /** Admitted in this step: the workers do not know of it yet. */
  let stepTokens = 0;
  /** Whether anything went in or out since the gauges were compared. */
  let hasChanged = false;

  /** Surely: reserved tokens of all classes are left free, and one worker is far from its thresholds. */
  function fits({ level, tokens }: Booked): boolean {
    if (running.size >= maxConcurrent || !room.holds(stepTokens + tokens)) return false;
    if (running.size === 0) return true;
    let reserved = 0;
    for (let above = 0; above < level; above += 1) reserved += classes[above]?.reservedTokens ?? 0;
    return runningTokens + tokens + reserved <= admission.limitTokens;
  }

  const everybodyFits = (): boolean => {
    for (const each of waiting.values()) if (!fits(each)) return false;
    return true;
  };

  function remove(id: number, { tenant }: Booked): void {
    waiting.delete(id);
    fairness.gone(tenant);
  }

  function compare(): void {
    hasChanged = false;
    if (admission.inFlight === running.size && admission.queued === waiting.size) return;
    const { inFlight, queued } = admission;
    checks.check(
      8,
      false,
      () => `${inFlight} admitted, not ${running.size}; ${queued} wait, not ${waiting.size}`,
    );
  }

  function firstToExpire(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { untilMs } of waiting.values()) first = Math.min(first, untilMs);
    return first;
  }

  return {
    /** The machine was called. */
    changed(): void {
      hasChanged = true;
    },
    arrived({ id, atMs, tenant, priority, promptTokens, expectedTokens, deadlineMs }: Arrival): void {
      const level = Math.max(
        classes.findIndex(({ name }) => name === priority),
        0,
      );
      const untilMs = Math.min(deadlineMs, atMs + classes[level]!.queueTimeoutMs);
      const tokens = promptTokens + expectedTokens;
      const sizes = { promptTokens, tokens, expectedTokens, generated: 0 };
      waiting.set(id, { tenant, level, sinceMs: atMs, untilMs, deadlineMs, ...sizes });
      firstUntilMs = Math.min(firstUntilMs, untilMs);
      fairness.arrived(tenant);
    },
    /** What follows was decided at once. */
    step(): void {
      stepTokens = 0;
    },
    admitted({ id }: Admit, atMs: number): void {
      const booked = waiting.get(id);
      checks.check(8, booked !== undefined, () => `${id} is admitted and does not wait`);
      if (booked === undefined) return;
      const { untilMs } = booked;
      checks.check(13, atMs <= untilMs, () => `${id} admitted ${(atMs - untilMs).toFixed(0)} ms too late`);
      fairness.admitted(booked);
      remove(id, booked);
      stepTokens += booked.tokens;
      running.set(id, booked);
      runningTokens += booked.tokens;
    },
    rejected({ id, reason, retryAfterSeconds }: Reject, atMs: number): void {
      const booked = waiting.get(id);
      if (booked === undefined) return;
      const isRight =
        retryAfterSeconds >= 1 && retryAfterSeconds <= 60 && Number.isInteger(retryAfterSeconds);
      checks.check(20, isRight, () => `${id} is to come again after ${retryAfterSeconds} s`);
      const { untilMs, deadlineMs } = booked;
      if (reason === 'queue_full' || reason === 'queue_bytes' || reason === 'overload')
        checks.check(14, !everybodyFits(), () => `${id} shed (${reason}) while there was room for all`);
      else if (reason === 'infeasible')
        checks.check(14, Number.isFinite(deadlineMs), () => `${id} is too late without a deadline`);
      else checks.check(14, atMs >= untilMs, () => `${id} shed (${reason}) before its time`);
      remove(id, booked);
    },
    left(id: number): void {
      const waited = waiting.get(id);
      if (waited !== undefined) remove(id, waited);
      const booked = running.get(id);
      if (booked === undefined) return;
      running.delete(id);
      runningTokens -= booked.tokens;
    },
    progress(id: number): void {
      const booked = running.get(id);
      if (booked === undefined) return;
      fairness.served(booked.tenant);
      booked.generated += 1;
      if (booked.generated <= booked.expectedTokens) return;
      booked.tokens += 1;
      runningTokens += 1;
    },
    reported: room.reported,
    sent: room.sent,
    forgotten: room.forgotten,
    check(atMs: number): void {
      checks.passed(2);
      if (hasChanged) compare();
      if (waiting.size === 0 || atMs < firstUntilMs + LATE_MS) return;
      firstUntilMs = firstToExpire();
      checks.check(13, atMs < firstUntilMs + LATE_MS, () => 'somebody waits beyond the time for it');
    },
  };
}
