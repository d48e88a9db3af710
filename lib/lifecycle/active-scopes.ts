import {
  createScopeWith,
  REAL_CLOCK,
  type Scope,
  type ScopeClock,
  type ScopeOptions,
} from '../requests/abort-scope.js';
import type { CancelReason, ScopePhase } from '../requests/scope.js';
import { bury, exhume, type Tombstone } from '../requests/scope-tombstones.js';

/** A running request as the watchdog, the drain and the admin listener see it. Times are monotonic milliseconds. */
export interface ActiveRequest {
  readonly id: string;
  readonly endpoint: string;
  readonly isCanary: boolean;
  readonly state: ScopePhase;
  readonly startedAtMs: number;
  /** Of the last frame or `progress()`; the start before the first. */
  readonly lastProgressAtMs: number;
  /** False until the first frame or `progress()`: prefill, as far as anybody can tell from outside. */
  readonly hasProgressed: boolean;
}

/** The scope that a handler gets. */
export interface RequestScope extends Scope {
  readonly id: string;
  /** Tells the watchdog that the engine moves while no frame comes, as between the chunks of a long prefill. */
  progress(steps?: number): void;
}

export interface OpenOptions extends ScopeOptions {
  /** Default: one that no other request of the process has. */
  readonly id?: string;
  readonly endpoint: string;
  readonly isCanary?: boolean;
  readonly onProgress?: () => void;
  /** In the turn of the cancel, before the signals abort. */
  readonly onCancel?: (level: 'stop' | 'kill', reason: CancelReason) => void;
}

export interface ActiveScopes {
  /** An id that no other request of the process has. */
  newId(): string;
  /** Registers a request until its scope is closed. A cancel that came first is applied at once. */
  open(options: OpenOptions): RequestScope;
  /**
   * Cancels every running request of that id; without one, the next that is submitted under it within 60 s. Returns
   * whether one was running.
   */
  cancel(id: string, level?: 'stop' | 'kill', reason?: CancelReason | string): boolean;
  /** All that run now, canaries too. Returns how many there were. */
  stopAll(reason: CancelReason): number;
  killAll(reason: CancelReason): number;
  /** Requests that have not closed; canaries only if asked for. */
  count(options?: { readonly withCanaries?: boolean }): number;
  /**
   * Requests that were killed at least `ABANDONED_MS` ago and whose handler has not ended: their callers have been told, and
   * whoever waits for the rest need not wait for these. Canaries do not count.
   */
  abandoned(): number;
  requests(): readonly ActiveRequest[];
  /** Rises with every frame and every `progress()` of any request: what moved is alive. */
  progressTotal(): number;
  /** Of any request; null before the first. */
  lastProgressAtMs(): number | null;
  /** Called with every step of progress, so that a watchdog needs no polling. Returns the unsubscription. */
  onProgress(listener: (atMs: number, request: ActiveRequest) => void): () => void;
}

interface Entry extends ActiveRequest {
  readonly scope: Scope;
  lastProgressAtMs: number;
  hasProgressed: boolean;
  readonly killedAtMs: number;
}

/** Time for a handler's `finally` after a kill. */
const ABANDONED_MS = 250;

export function createActiveScopes(clock: ScopeClock = REAL_CLOCK): ActiveScopes {
  const running = new Set<Entry>();
  const byId = new Map<string, Set<Entry>>();
  const tombstones = new Map<string, Tombstone>();
  const listeners = new Set<(atMs: number, request: ActiveRequest) => void>();
  let lastId = 0;
  let canaries = 0;
  let total = 0;
  let lastProgressAtMs: number | null = null;

  function newId(): string {
    lastId += 1;
    return `request-${lastId}`;
  }

  function remove(entry: Entry): void {
    if (!running.delete(entry)) return;
    if (entry.isCanary) canaries -= 1;
    const same = byId.get(entry.id);
    same?.delete(entry);
    if (same?.size === 0) byId.delete(entry.id);
  }

  function progress(entry: Entry, steps: number): void {
    if (entry.scope.state === 'closed' || !(steps > 0)) return;
    total += steps;
    lastProgressAtMs = entry.lastProgressAtMs = clock.now();
    entry.hasProgressed = true;
    for (const listener of listeners) listener(lastProgressAtMs, entry);
  }

  function every(act: (scope: Scope) => void): number {
    const now = [...running];
    for (const { scope } of now) act(scope);
    return now.length;
  }

  return {
    newId,
    open({ id, endpoint, isCanary = false, onCancel, onProgress, ...options }) {
      const ownId = id ?? newId();
      let killedAtMs = Number.POSITIVE_INFINITY;
      const scope = createScopeWith(clock, options, {
        onCancel(level, reason) {
          if (level === 'kill') killedAtMs = clock.now();
          onCancel?.(level, reason);
        },
        onClose: () => remove(entry),
      });
      const startedAtMs = clock.now();
      const entry: Entry = {
        id: ownId,
        endpoint,
        isCanary,
        get state() {
          return scope.state;
        },
        startedAtMs,
        lastProgressAtMs: startedAtMs,
        hasProgressed: false,
        get killedAtMs() {
          return killedAtMs;
        },
        scope,
      };
      running.add(entry);
      if (isCanary) canaries += 1;
      const same = byId.get(ownId);
      if (same === undefined) byId.set(ownId, new Set([entry]));
      else same.add(entry);
      const missed = id === undefined ? null : exhume(tombstones, ownId, startedAtMs);
      if (missed !== null) scope[missed.level](missed.reason);
      return Object.assign(scope, {
        id: ownId,
        progress(steps = 1) {
          progress(entry, steps);
          if (steps > 0 && scope.state !== 'closed') onProgress?.();
        },
      });
    },
    cancel(id, level = 'stop', reason) {
      const found = byId.get(id);
      if (found === undefined) {
        const given: CancelReason =
          typeof reason === 'object'
            ? reason
            : { code: 'cancelled', message: reason ?? 'the request was cancelled before it came' };
        bury(tombstones, { atMs: clock.now(), id, level, reason: given });
        return false;
      }
      for (const { scope } of [...found]) scope[level](reason);
      return true;
    },
    stopAll: (reason) => every((scope) => scope.stop(reason)),
    killAll: (reason) => every((scope) => scope.kill(reason)),
    count: ({ withCanaries = false } = {}) => running.size - (withCanaries ? 0 : canaries),
    abandoned() {
      const sinceMs = clock.now() - ABANDONED_MS;
      let count = 0;
      for (const { isCanary, killedAtMs } of running) if (!isCanary && killedAtMs <= sinceMs) count += 1;
      return count;
    },
    requests: () => [...running],
    progressTotal: () => total,
    lastProgressAtMs: () => lastProgressAtMs,
    onProgress(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
