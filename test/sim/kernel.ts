/**
 * Virtual time: one binary heap of (time, sequence). Whatever happens in a simulated fleet is a call that comes off this heap,
 * so that one seed gives one order of events.
 */
import type { Mutable } from '../../lib/fleet/mutable.js';

export interface Kernel {
  readonly nowMs: number;
  /** Calls made so far. */
  readonly events: number;
  /** Of the times of all calls so far: two runs with the same one were the same to the last event. */
  readonly hash: number;
  at(atMs: number, call: () => void): void;
  /** A process of its own: its calls wait while it is paused and are lost when it dies. */
  spawn(name: string, clock?: Clock): Actor;
  /** Until nothing is left, `untilMs` is reached, or `stop` is called. `afterEach` runs after every call. */
  run(untilMs: number, afterEach: () => void): void;
  stop(): void;
}

/** What a process's monotonic clock says: `offsetMs + rate × virtual time`. */
export interface Clock {
  readonly offsetMs: number;
  readonly rate: number;
}

export interface Actor {
  readonly name: string;
  /** Counts its lives, from 1. */
  readonly life: number;
  readonly isUp: boolean;
  readonly isPaused: boolean;
  /** Times it has been paused. */
  readonly pauses: number;
  /** Its own clock. */
  now(): number;
  /** When its own clock will say so. */
  toVirtual(localMs: number): number;
  /** @param ms by its own clock */
  after(ms: number, call: () => void): void;
  /** Something arrives from outside at a virtual time; lost if it is down by then, or has died and come back in between. */
  receive(atMs: number, call: () => void): void;
  pause(): void;
  resume(): void;
  die(): void;
  revive(): void;
}

const TRUE_CLOCK: Clock = { offsetMs: 0, rate: 1 };

export function createKernel(): Kernel {
  // Three arrays in step: an object for each event would cost more than the heap itself.
  const times: number[] = [];
  const sequences: number[] = [];
  const calls: (() => void)[] = [];
  let sequence = 0;
  let isStopped = false;
  const bits = new Int32Array(new Float64Array(1).buffer);
  const time = new Float64Array(bits.buffer);

  function isBefore(i: number, j: number): boolean {
    const difference = times[i]! - times[j]!;
    return difference < 0 || (difference === 0 && sequences[i]! < sequences[j]!);
  }

  function swap(i: number, j: number): void {
    const time = times[i]!;
    const order = sequences[i]!;
    const call = calls[i]!;
    times[i] = times[j]!;
    sequences[i] = sequences[j]!;
    calls[i] = calls[j]!;
    times[j] = time;
    sequences[j] = order;
    calls[j] = call;
  }

  function at(atMs: number, call: () => void): void {
    let i = times.length;
    times.push(Math.max(atMs, kernel.nowMs));
    sequences.push(sequence++);
    calls.push(call);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(i, parent)) break;
      swap(i, parent);
      i = parent;
    }
  }

  function pop(): () => void {
    const first = calls[0]!;
    const last = times.length - 1;
    swap(0, last);
    times.pop();
    sequences.pop();
    calls.pop();
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= last) break;
      const right = left + 1;
      const least = right < last && isBefore(right, left) ? right : left;
      if (!isBefore(least, i)) break;
      swap(i, least);
      i = least;
    }
    return first;
  }

  function spawn(name: string, { offsetMs, rate }: Clock = TRUE_CLOCK): Actor {
    let backlog: (() => void)[] = [];

    const receive = (atMs: number, call: () => void): void => {
      const ofLife = actor.life;
      at(atMs, () => {
        if (!actor.isUp || actor.life !== ofLife) return;
        if (actor.isPaused) backlog.push(call);
        else call();
      });
    };

    const actor: Mutable<Actor> = {
      name,
      life: 1,
      isUp: true,
      isPaused: false,
      pauses: 0,
      now: () => offsetMs + kernel.nowMs * rate,
      toVirtual: (localMs) => (localMs - offsetMs) / rate,
      after: (ms, call) => receive(kernel.nowMs + ms / rate, call),
      receive,
      pause() {
        actor.isPaused = true;
        actor.pauses += 1;
      },
      resume() {
        actor.isPaused = false;
        const waiting = backlog;
        backlog = [];
        // Each one an event of its own, in the order of arrival.
        for (const call of waiting) receive(kernel.nowMs, call);
      },
      die() {
        actor.isUp = false;
        actor.isPaused = false;
        actor.life += 1;
        backlog = [];
      },
      revive() {
        actor.isUp = true;
      },
    };
    return actor;
  }

  const kernel: Mutable<Kernel> = {
    nowMs: 0,
    events: 0,
    hash: 0x811c9dc5,
    at,
    spawn,
    run(untilMs, afterEach) {
      while (!isStopped && times.length > 0 && times[0]! <= untilMs) {
        kernel.nowMs = times[0]!;
        const call = pop();
        kernel.events += 1;
        time[0] = kernel.nowMs;
        kernel.hash = (Math.imul(kernel.hash ^ bits[0]!, 0x01000193) ^ bits[1]!) >>> 0;
        call();
        afterEach();
      }
      if (!isStopped && kernel.nowMs < untilMs && Number.isFinite(untilMs)) kernel.nowMs = untilMs;
    },
    stop() {
      isStopped = true;
    },
  };
  return kernel;
}
