/** Pool admission with callbacks, for one model: who may run, who waits, who is refused. */
import {
  createPoolAdmission,
  type PoolAdmissionEffect,
  type PoolAdmissionOptions,
  type PoolRoom,
  type RejectReason,
} from '../fleet/admission/admission.js';
import { retryAfterSeconds } from '../fleet/admission/retry-after.js';
import type { ServiceSpeed } from '../fleet/service-rate.js';

export interface Entry {
  /** The client has left, or the request has ended. Idempotent. */
  leave(): void;
  progress(tokens: number): void;
}

export interface LaneRequest {
  readonly promptTokens: number;
  readonly expectedTokens: number;
  readonly bytes: number;
  /** Name of its class. */
  readonly priority: string;
  readonly tenant: string;
  /** Monotonic milliseconds by which it is to have its first token; Infinity: at any time. */
  readonly deadlineMs: number;
}

export interface Lane {
  readonly queued: number;
  readonly queuedBytes: number;
  readonly inFlightTokens: number;
  /** Infinity: no limit. */
  readonly limitTokens: number;
  enter(
    request: LaneRequest,
    on: { admit(): void; reject(reason: RejectReason, retryAfterSeconds: number): void },
  ): Entry;
  /** Whether any request of a class would be refused now. */
  isFull(priority: string): boolean;
  /** A request had its first token, after it had waited in its worker for so long before its prefill. */
  waited(waitMs: number): void;
  /** Whole seconds after which one that is refused elsewhere may come back. */
  retryAfterSeconds(): number;
  tick(): void;
}

export interface LanePorts {
  now(): number;
  random(): number;
  room(): { readonly hasRoom: boolean; readonly roomTokens: number };
  speed(atMs: number): ServiceSpeed;
  /** Of what waits for other models: memory is common. */
  bytesElsewhere(): number;
}

type Callbacks = Parameters<Lane['enter']>[1];

/** Speed changes slowly, and costs a look at each worker: not while somebody waits for an answer, if it can be helped. */
const SPEED_MS = 150;

export function createLane(options: PoolAdmissionOptions, ports: LanePorts): Lane {
  const { now, random } = ports;
  const admission = createPoolAdmission(options);
  const waiting = new Map<number, Callbacks>();
  let lastId = 0;
  let speed = ports.speed(now());
  let speedAtMs = now();

  let isSpeedUsed = false;

  function measure(atMs: number): void {
    speed = ports.speed(atMs);
    speedAtMs = atMs;
    isSpeedUsed = false;
  }

  function speedAt(atMs: number): ServiceSpeed {
    if (atMs - speedAtMs >= SPEED_MS) measure(atMs);
    isSpeedUsed = true;
    return speed;
  }

  function room(atMs: number): PoolRoom {
    const own = ports.room();
    return {
      hasRoom: own.hasRoom,
      // Only where it is asked for: it looks at every worker.
      get roomTokens() {
        return own.roomTokens;
      },
      ...speedAt(atMs),
      bytesElsewhere: ports.bytesElsewhere(),
    };
  }

  function perform(effects: readonly PoolAdmissionEffect[]): void {
    for (const effect of effects) {
      const on = waiting.get(effect.id);
      waiting.delete(effect.id);
      if (effect.type === 'admit') on?.admit();
      else on?.reject(effect.reason, effect.retryAfterSeconds);
    }
  }

  return {
    get queued() {
      return admission.queued;
    },
    get queuedBytes() {
      return admission.queuedBytes;
    },
    get inFlightTokens() {
      return admission.inFlightTokens;
    },
    get limitTokens() {
      return admission.limitTokens;
    },
    enter(request, on) {
      const id = ++lastId;
      const atMs = now();
      let isIn = true;
      waiting.set(id, on);
      perform(admission.arrive({ ...request, atMs, id, cachedTokens: 0, random: random() }, room(atMs)));
      return {
        leave() {
          if (!isIn) return;
          isIn = false;
          const leftMs = now();
          if (waiting.delete(id)) perform(admission.abandon(id, leftMs, room(leftMs)));
          else perform(admission.release(id, leftMs, room(leftMs)));
        },
        progress: (tokens) => admission.progress(id, tokens),
      };
    },
    isFull: (priority) => admission.isFull(priority, now(), () => ports.room().hasRoom),
    // Which one it was does not matter to the limit.
    waited: (waitMs) => admission.scheduled(0, waitMs),
    retryAfterSeconds() {
      const { inFlightTokens, queuedTokens, limitTokens } = admission;
      const { tokensPerSecond } = speedAt(now());
      return retryAfterSeconds(inFlightTokens + queuedTokens, limitTokens, tokensPerSecond, random());
    },
    tick() {
      const atMs = now();
      if (isSpeedUsed) measure(atMs);
      if (admission.queued > 0 || admission.nextTimerMs() <= atMs) perform(admission.tick(atMs, room(atMs)));
    },
  };
}
