import { rejectUnknown } from '../config/keys.js';
import type { LimitsConfig } from '../config/limits.js';
import { invalid } from '../config/values.js';
import { REAL_CLOCK, type ScopeClock } from '../requests/abort-scope.js';
import { cancelError } from '../requests/cancel-error.js';
import { followSignal } from '../requests/follow-signal.js';
import type { LoadWriter } from './load-block.js';
import { type Admission, type AdmitOptions, type Permit, rejectionError } from './permit.js';
import {
  type AdmissionEvent,
  type AdmissionLimits,
  openAdmission,
  type RejectionReason,
  stepAdmission,
  wakeAtMs,
} from './policy.js';

export interface AdmissionOptions {
  readonly limits: AdmissionLimits;
  /** Told whenever one of the counts has changed. */
  onCounts?(admitted: number, queued: number): void;
  onRejection?(reason: RejectionReason): void;
  readonly clock?: ScopeClock;
  readonly random?: () => number;
}

const ADMIT_OPTIONS = ['signal', 'deadlineMs', 'bytes'];

interface Pending {
  resolve(permit: Permit): void;
  reject(error: Error): void;
}

/** The admission of a process, with its counts in the load block. */
export function startAdmission(limits: LimitsConfig, load: LoadWriter): Admission {
  const { maxConcurrent, maxQueue, queueTimeoutMs, maxQueueBytes } = limits;
  if (maxConcurrent !== null) load.limits(maxConcurrent, maxQueue);
  return createAdmission({
    limits: {
      maxConcurrent: maxConcurrent ?? Number.POSITIVE_INFINITY,
      maxQueue,
      queueTimeoutMs,
      maxQueueBytes: maxQueueBytes ?? Number.POSITIVE_INFINITY,
    },
    onCounts: load.counts,
    onRejection: load.rejected,
  });
}

/** Callbacks, timer and signals around the pure policy. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { limits, onCounts, onRejection, clock = REAL_CLOCK, random = Math.random } = options;
  const pending = new Map<number, Pending>();
  let state = openAdmission(limits);
  let lastId = 0;
  let cancelTimer: (() => void) | null = null;
  let timerAtMs = Number.POSITIVE_INFINITY;

  function apply(event: AdmissionEvent): void {
    const before = state;
    const { state: next, effects } = stepAdmission(state, event);
    state = next;
    for (const effect of effects) {
      const waiter = pending.get(effect.id);
      pending.delete(effect.id);
      if (effect.type === 'admit') waiter?.resolve(createPermit(event.atMs, effect.waitedMs));
      else {
        onRejection?.(effect.reason);
        waiter?.reject(rejectionError(effect.reason, effect.retryAfterSeconds));
      }
    }
    if (state.admitted !== before.admitted || state.queue.length !== before.queue.length)
      onCounts?.(state.admitted, state.queue.length);
    arm();
  }

  function createPermit(admittedAtMs: number, waitedMs: number): Permit {
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      apply({ type: 'release', atMs: clock.now(), admittedAtMs });
    };
    return { waitedMs, release, [Symbol.dispose]: release };
  }

  function arm(): void {
    const atMs = wakeAtMs(state);
    if (atMs === timerAtMs) return;
    cancelTimer?.();
    cancelTimer = null;
    timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    cancelTimer = clock.after(Math.max(0, Math.ceil(atMs - clock.now())), () => {
      timerAtMs = Number.POSITIVE_INFINITY;
      apply({ type: 'time', atMs: clock.now() });
    });
  }

  async function admit(given: AdmitOptions = {}): Promise<Permit> {
    rejectUnknown('option of admit()', given, ADMIT_OPTIONS);
    const { deadlineMs = Number.POSITIVE_INFINITY, bytes = 0 } = given;
    if (typeof deadlineMs !== 'number' || Number.isNaN(deadlineMs))
      throw invalid('admit: deadlineMs', 'a number of milliseconds', deadlineMs);
    if (typeof bytes !== 'number' || !(bytes >= 0)) throw invalid('admit: bytes', 'a number from 0', bytes);
    lastId += 1;
    const id = lastId;
    const atMs = clock.now();
    const answer = new Promise<Permit>((resolve, reject) => {
      pending.set(id, { resolve, reject });
      apply({ type: 'arrive', atMs, id, bytes, deadlineAtMs: atMs + deadlineMs, random: random() });
    });
    // Only who waits has a use for the signal; a scope makes it when it is asked for.
    if (!pending.has(id)) return answer;
    const { signal } = given;
    if (signal === undefined) return answer;
    const leave = (): void => {
      const waiter = pending.get(id);
      if (waiter === undefined) return;
      pending.delete(id);
      apply({ type: 'abandon', atMs: clock.now(), id });
      waiter.reject(cancelError({ code: 'disconnected', message: 'the client left while it waited' }));
    };
    if (signal.aborted) {
      leave();
      return answer;
    }
    return answer.finally(followSignal(signal, leave));
  }

  return {
    admit,
    setRefusing(refuses) {
      if (refuses === !state.isOpen) return;
      apply({ type: refuses ? 'shut' : 'open', atMs: clock.now() });
    },
    isRefusing: () => !state.isOpen,
    counts: () => ({ admitted: state.admitted, queued: state.queue.length }),
  };
}
