/** Pool admission with callbacks: who may run, who waits, who is refused. */
import {
  createPoolAdmission,
  type PoolAdmissionEffect,
  type PoolAdmissionOptions,
  type PoolRoom,
  type RejectReason,
} from '../fleet/admission/admission.js';

export interface Entry {
  /** The client has left, or the request has ended. Idempotent. */
  leave(): void;
  progress(tokens: number): void;
}

export interface Gate {
  readonly queued: number;
  enter(
    request: { readonly promptTokens: number; readonly expectedTokens: number; readonly bytes: number },
    on: { admit(): void; reject(reason: RejectReason, retryAfterSeconds: number): void },
  ): Entry;
  tick(): void;
}

type Callbacks = Parameters<Gate['enter']>[1];

export function createGate(
  options: PoolAdmissionOptions,
  ports: { now(): number; random(): number; room(): Pick<PoolRoom, 'hasRoom' | 'roomTokens'> },
): Gate {
  const { now, random } = ports;
  const admission = createPoolAdmission(options);
  const waiting = new Map<number, Callbacks>();
  let lastId = 0;

  /** Speed is not known before it has been measured; Retry-After then is that of an unknown one. */
  const room = (): PoolRoom => ({
    ...ports.room(),
    tokensPerSecond: 0,
    prefill: { tokensPerSecond: 0, baseMs: 0 },
  });

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
    enter(request, on) {
      const id = ++lastId;
      const atMs = now();
      let isIn = true;
      waiting.set(id, on);
      const arrival = { ...request, atMs, id, tenant: '', priority: 'default', cachedTokens: 0 };
      perform(
        admission.arrive({ ...arrival, deadlineMs: Number.POSITIVE_INFINITY, random: random() }, room()),
      );
      return {
        leave() {
          if (!isIn) return;
          isIn = false;
          const leftMs = now();
          if (waiting.delete(id)) perform(admission.abandon(id, leftMs, room()));
          else perform(admission.release(id, leftMs, room()));
        },
        progress: (tokens) => admission.progress(id, tokens),
      };
    },
    tick: () => {
      if (admission.queued > 0) perform(admission.tick(now(), room()));
    },
  };
}
