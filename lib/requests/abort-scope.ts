import { invalid } from '../config/values.js';
import { monoMs } from '../native/clock.js';
import { cancelError } from './cancel-error.js';
import { followSignal } from './follow-signal.js';
import {
  type CancelReason,
  DEFAULT_SCOPE_POLICY,
  type DisconnectPolicy,
  openScope,
  phaseOf,
  type ScopeEffect,
  type ScopeEvent,
  type ScopePhase,
  type ScopeState,
  stepScope,
  wakeAtMs,
} from './scope.js';

/** Cancellation of one piece of work, and of everything below it. */
export interface Scope {
  readonly state: ScopePhase;
  /** Aborts when the scope is killed: drop everything now. Its reason is an InferenceHealthError. */
  readonly signal: AbortSignal;
  /** Aborts when the scope is stopped (or killed): end at the next step, what is produced still goes out. */
  readonly stopSignal: AbortSignal;
  /** Why it was stopped or killed; null while it was not. */
  readonly reason: CancelReason | null;
  /** Asks for an early end; becomes a kill after `escalateMs`. Idempotent, and nothing after a kill. */
  stop(reason?: CancelReason | string): void;
  /** Ends at once. Idempotent; dominates a stop in whatever order they come. */
  kill(reason?: CancelReason | string): void;
  /** The client is gone: does what `onDisconnect` says. */
  disconnect(): void;
  /** The work has ended. Children that are for nothing else are killed, as nobody waits for them. Idempotent. */
  close(): void;
  /** A scope below this one: it is stopped and killed with this one and has at most its time. */
  child(options?: ChildOptions): Scope;
  /** Puts an existing scope below this one as well. It receives at once what it has missed. */
  link(other: Scope): void;
  /** Milliseconds to the deadline, at least 0; Infinity without one. Send this, never a time of day, to other machines. */
  remainingMs(): number;
  [Symbol.dispose](): void;
}

export interface ChildOptions {
  /** Milliseconds from now, at least 0. The parent's deadline counts too. Default: none. */
  readonly deadlineMs?: number;
  /** Milliseconds from a stop to the kill; Infinity: never. Default 2000. */
  readonly escalateMs?: number;
  /** Default: stop, at once. */
  readonly onDisconnect?: Partial<DisconnectPolicy>;
}

export interface ScopeOptions extends ChildOptions {
  readonly parent?: Scope;
  /** The client's signal: aborting it means that the client is gone. Nothing listens to it any more after `close`. */
  readonly signal?: AbortSignal;
}

/** Replaced in tests by a virtual one. */
export interface ScopeClock {
  now(): number;
  /** Calls back once, not before `ms`; returns its cancellation. */
  after(ms: number, callback: () => void): () => void;
}

/** For the package's own use: called in the same turn, before the signals abort. */
export interface ScopeListener {
  onCancel?(level: 'stop' | 'kill', reason: CancelReason): void;
  onClose?(): void;
}

/** Longest timer that Node knows; a later deadline takes several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const REAL_CLOCK: ScopeClock = {
  now: monoMs,
  after(ms, callback) {
    // The request's connection keeps the process alive, its deadline does not.
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** @throws InferenceHealthError ERR_CONFIG_INVALID for a deadline or time that is no number of milliseconds. */
export function createScope(options: ScopeOptions = {}): Scope {
  return createScopeWith(REAL_CLOCK, options, {});
}

/** {@link createScope} with a clock and a listener. */
export function createScopeWith(clock: ScopeClock, options: ScopeOptions, listener: ScopeListener): Scope {
  const { deadlineMs = Number.POSITIVE_INFINITY, escalateMs = DEFAULT_SCOPE_POLICY.escalateMs } = options;
  checkMs('deadlineMs', deadlineMs);
  checkMs('escalateMs', escalateMs);
  const onDisconnect = { ...DEFAULT_SCOPE_POLICY.onDisconnect, ...options.onDisconnect };
  checkMs('onDisconnect.graceMs', onDisconnect.graceMs);
  const state = openScope({ escalateMs, onDisconnect }, clock.now() + deadlineMs);
  const node = new ScopeNode(clock, state, listener);
  options.parent?.link(node);
  if (options.signal !== undefined) node.follow(options.signal);
  node.settle();
  return node;
}

function checkMs(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0))
    throw invalid(`scope: ${name}`, 'a number of milliseconds, at least 0', value);
}

const reasonOf = (given: CancelReason | string | undefined): CancelReason =>
  typeof given === 'object' ? given : { code: 'cancelled', message: given ?? 'the request was cancelled' };

// A class, though the rest of the code has none: there is one for every request, and closures would make it a dozen.
// The signals are made when first asked for; most scopes need one of them or none.
class ScopeNode implements Scope {
  private readonly parents = new Set<ScopeNode>();
  private readonly children = new Set<ScopeNode>();
  private stopController: AbortController | null = null;
  private killController: AbortController | null = null;
  private cancelTimer: (() => void) | null = null;
  private timerAtMs = Number.POSITIVE_INFINITY;
  private unfollow: (() => void) | null = null;

  constructor(
    private readonly clock: ScopeClock,
    private machine: ScopeState,
    private readonly listener: ScopeListener,
  ) {}

  get state(): ScopePhase {
    return phaseOf(this.machine);
  }

  get reason(): CancelReason | null {
    return this.machine.reason;
  }

  get signal(): AbortSignal {
    this.killController ??= controller(this.machine.level === 'kill' ? this.machine.reason : null);
    return this.killController.signal;
  }

  get stopSignal(): AbortSignal {
    this.stopController ??= controller(this.machine.level === 'none' ? null : this.machine.reason);
    return this.stopController.signal;
  }

  stop(reason?: CancelReason | string): void {
    this.apply({ type: 'stop', atMs: this.clock.now(), reason: reasonOf(reason) });
  }

  kill(reason?: CancelReason | string): void {
    this.apply({ type: 'kill', atMs: this.clock.now(), reason: reasonOf(reason) });
  }

  disconnect(): void {
    const reason: CancelReason = { code: 'disconnected', message: 'the client is gone' };
    this.apply({ type: 'disconnect', atMs: this.clock.now(), reason });
  }

  close(): void {
    this.apply({ type: 'close', atMs: this.clock.now() });
  }

  child(options: ChildOptions = {}): Scope {
    return createScopeWith(this.clock, { ...options, parent: this }, {});
  }

  link(other: Scope): void {
    if (!(other instanceof ScopeNode)) throw invalid('scope.link', 'a scope made by this package', other);
    if (other === this || other.machine.isClosed) return;
    const atMs = this.clock.now();
    const { level, isClosed, reason, deadlineAtMs } = this.machine;
    if (isClosed) {
      other.apply({ type: 'kill', atMs, reason: ORPHANED });
      return;
    }
    this.children.add(other);
    other.parents.add(this);
    other.apply({ type: 'tighten', atMs, deadlineAtMs });
    if (level !== 'none' && reason !== null) other.apply({ type: level, atMs, reason });
  }

  remainingMs(): number {
    return Math.max(0, this.machine.deadlineAtMs - this.clock.now());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Takes the abort of a signal for the disconnect of the client. */
  follow(signal: AbortSignal): void {
    if (signal.aborted) {
      this.disconnect();
      return;
    }
    this.unfollow = followSignal(signal, () => this.disconnect());
  }

  /** Does what is due already, and sets the timer for the rest. */
  settle(): void {
    this.apply({ type: 'time', atMs: this.clock.now() });
    this.arm();
  }

  /**
   * Every state below changes before anybody is told, leaves first: whoever listens never sees a child that is less
   * cancelled than its parent. A list instead of recursion: chains of agents may be deep.
   */
  private apply(event: ScopeEvent): void {
    const changed: { readonly node: ScopeNode; readonly effect: ScopeEffect }[] = [];
    const due: { readonly node: ScopeNode; readonly event: ScopeEvent }[] = [{ node: this, event }];
    for (let next = due.pop(); next !== undefined; next = due.pop()) {
      const { node } = next;
      const { state, effects } = stepScope(node.machine, next.event);
      if (state === node.machine) continue;
      node.machine = state;
      for (const effect of effects) {
        changed.push({ node, effect });
        const inherited = inheritedEvent(effect, next.event.atMs);
        for (const child of node.children) {
          // Shared work ends with the last of those it is for.
          if (effect.type === 'close' && child.isNeeded()) continue;
          due.push({ node: child, event: inherited });
        }
      }
      node.arm();
    }
    for (let index = changed.length - 1; index >= 0; index -= 1) {
      const entry = changed[index];
      if (entry !== undefined) entry.node.perform(entry.effect);
    }
  }

  private isNeeded(): boolean {
    for (const parent of this.parents) if (!parent.machine.isClosed) return true;
    return false;
  }

  private perform(effect: ScopeEffect): void {
    switch (effect.type) {
      case 'stop':
        this.listener.onCancel?.('stop', effect.reason);
        this.stopController?.abort(cancelError(effect.reason));
        break;
      case 'kill': {
        this.listener.onCancel?.('kill', effect.reason);
        const error = cancelError(effect.reason);
        this.killController?.abort(error);
        if (this.stopController?.signal.aborted === false) this.stopController.abort(error);
        break;
      }
      case 'tighten':
        break;
      case 'close':
        this.unfollow?.();
        this.unfollow = null;
        for (const parent of this.parents) parent.children.delete(this);
        for (const child of this.children) child.parents.delete(this);
        this.parents.clear();
        this.children.clear();
        this.listener.onClose?.();
        break;
    }
  }

  private arm(): void {
    const atMs = wakeAtMs(this.machine);
    if (atMs === this.timerAtMs) return;
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(atMs - this.clock.now())));
    this.cancelTimer = this.clock.after(ms, () => {
      this.cancelTimer = null;
      this.timerAtMs = Number.POSITIVE_INFINITY;
      this.settle();
    });
  }
}

const ORPHANED: CancelReason = { code: 'orphaned', message: 'what the work was for has ended' };

function inheritedEvent(effect: ScopeEffect, atMs: number): ScopeEvent {
  switch (effect.type) {
    case 'stop':
    case 'kill':
      return { type: effect.type, atMs, reason: effect.reason };
    case 'tighten':
      return { type: 'tighten', atMs, deadlineAtMs: effect.deadlineAtMs };
    case 'close':
      return { type: 'kill', atMs, reason: ORPHANED };
  }
}

function controller(reason: CancelReason | null): AbortController {
  const made = new AbortController();
  if (reason !== null) made.abort(cancelError(reason));
  return made;
}
