import { constants } from 'node:os';
import type { Logger } from '../config/options.js';
import type { ShutdownConfig } from '../config/shutdown.js';
import type { NativeSignals } from '../native/signal-addon.js';
import {
  type DrainCause,
  type DrainEffect,
  type DrainEvent,
  type DrainPhase,
  drainBudget,
  drainWakeAtMs,
  initialDrain,
  stepDrain,
} from './drain-machine.js';
import type { HealthEmitter } from './emitter.js';
import { type HttpConnections, watchHttpConnections } from './http-connections.js';
import { createShutdownHooks, type HookOutcome, type ShutdownHooks } from './shutdown-hooks.js';

/** Requests in flight are counted in shared memory, by other threads too: nobody says when the last one ends. */
const POLL_MS = 20;
/** What a client that is refused is told to wait: by then a balancer has noticed. */
const RETRY_AFTER_SECONDS = 1;
/** The last phase is shown to probes, but the exit does not wait for a probe thread that is gone. */
const LAST_PHASE_LIMIT_MS = 100;
/** For the probe thread to end; then it gets what the 'exit' event gives it. */
const CLOSE_LIMIT_MS = 2000;
/** How often we look whether somebody has installed a handler over the native one. */
const REARM_MS = 1000;
/** sysexits' EX_TEMPFAIL: the deadline passed with requests in flight. */
export const EXIT_DEADLINE = 75;

export interface ShutdownRequest {
  /** For people and logs: `SIGTERM`, `engine failure`. */
  readonly reason: string;
  /** Default 0. */
  readonly exitCode?: number;
  /** When requests or hooks had to be cut short. Default: `exitCode`, or 75 where that is 0. */
  readonly deadlineCode?: number;
  /** A restart will not help: the phase becomes `failed`. Default false. */
  readonly isFinal?: boolean;
  /** Milliseconds until the exit; at most, and by default, `shutdown.gracePeriodMs`. */
  readonly deadlineMs?: number;
  /** Default `shutdown.lameDuckMs`; 0 after a failure, since what cannot work has no stragglers to serve. */
  readonly lameDuckMs?: number;
}

/** How far a drain is. Times are milliseconds. */
export interface DrainStatus {
  readonly phase: DrainPhase;
  readonly reason: string | null;
  /** Whether the process exits at the end. */
  readonly exits: boolean;
  readonly active: number;
  readonly elapsedMs: number;
  /** Until what is in flight is ended with an error; null without such a time. */
  readonly remainingMs: number | null;
}

export interface ShutdownPorts {
  readonly config: ShutdownConfig;
  readonly logger: Logger | null;
  readonly emitter: HealthEmitter;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Resolves when the probes show it. */
  readonly setPhase: (phase: 'draining' | 'serving' | 'stopped' | 'failed') => Promise<void>;
  readonly activeRequests: () => number;
  /** New requests are refused, or not any more. */
  readonly setRefusing: (refuses: boolean) => void;
  /** Ends what runs, each with an explicit error. */
  readonly killScopes: (message: string) => void;
  /** Null without the addon. */
  readonly signals: NativeSignals | null;
  readonly closeProbe: () => Promise<void>;
  readonly exit: (code: number) => void;
}

export interface Shutdown {
  /** Drains and exits. A second call can make the end worse and earlier, never better. */
  begin(request: ShutdownRequest): void;
  /** Takes no new requests until `resume`; with a deadline, what is in flight then is ended. */
  pause(reason: string, deadlineMs?: number): void;
  /** False where it is too late: clean-up hooks run already. */
  resume(): boolean;
  status(): DrainStatus;
  readonly hooks: ShutdownHooks;
  /** Handles the signals of the configuration; see {@link installShutdown}. */
  onSignal(signal: NodeJS.Signals, isLeftToOthers: boolean): void;
  /** Watches the connections of node:http servers from now on rather than from the beginning of a drain on. */
  watchConnections(): void;
  /** Warns where the parts of a shutdown do not fit into its grace period. */
  checkBudget(): void;
  /** Ends all of it without an exit. */
  close(): void;
}

export function createShutdown(ports: ShutdownPorts): Shutdown {
  const { config, logger, emitter, now, activeRequests, signals } = ports;
  const hooks = createShutdownHooks(config.hookTimeoutMs, now, logHook);
  let state = initialDrain();
  let connections: HttpConnections | null = null;
  let ticker: NodeJS.Timeout | undefined;
  let wake: NodeJS.Timeout | undefined;
  let errorsAtMs = Number.POSITIVE_INFINITY;
  let isClosed = false;
  const queue: DrainEvent[] = [];
  let isStepping = false;

  function send(event: DrainEvent): void {
    if (isClosed) return;
    queue.push(event);
    // An effect may cause the next event, in the same turn: one after the other.
    if (isStepping) return;
    isStepping = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { state: after, effects } = stepDrain(state, next);
        state = after;
        for (const effect of effects) perform(effect);
      }
    } finally {
      isStepping = false;
    }
    schedule();
  }

  function schedule(): void {
    clearTimeout(wake);
    const atMs = drainWakeAtMs(state);
    const isEnding = state.phase !== 'serving' && state.phase !== 'stopped';
    if (isEnding && ticker === undefined) ticker = setInterval(tick, POLL_MS);
    if (!isEnding) {
      clearInterval(ticker);
      ticker = undefined;
    }
    // An application that has closed everything ends by itself, with its own exit code; a pause keeps nothing alive.
    const isWaitedFor = state.cause?.exits === true && (!state.cause.isLeftToOthers || state.wasCut);
    if (isWaitedFor) ticker?.ref();
    else ticker?.unref();
    if (atMs === Number.POSITIVE_INFINITY) return;
    wake = setTimeout(() => send({ type: 'time', atMs: now() }), Math.max(0, Math.ceil(atMs - now())));
    if (!isWaitedFor) wake.unref();
  }

  function tick(): void {
    connections?.closeIdle();
    if (now() >= errorsAtMs) {
      errorsAtMs = Number.POSITIVE_INFINITY;
      connections?.endUnfinished('the process is shutting down', RETRY_AFTER_SECONDS);
    }
    send({ type: 'active', atMs: now(), count: activeRequests() });
  }

  function perform(effect: DrainEffect): void {
    switch (effect.type) {
      case 'announce':
        watchConnections();
        connections?.startClosing();
        if (effect.exits) emitter.emit('drain');
        else if (state.phase === 'announced') emitter.emit('drain');
        void ports
          .setPhase(effect.isFinal ? 'failed' : 'draining')
          .then(() => send({ type: 'announced', atMs: now() }));
        break;
      case 'refuse':
        ports.setRefusing(true);
        emitter.emit('refuse');
        break;
      case 'cut':
        logger?.warn({ active: effect.active }, 'requests were still in flight and are ended with an error');
        errorsAtMs = now() + drainBudget(state.policy).cutMs / 2;
        ports.killScopes('the process is shutting down');
        emitter.emit('terminate', { active: effect.active, reason: state.cause?.reason ?? '' });
        break;
      case 'run-hooks':
        connections?.closeIdle();
        void hooks
          .run(state.cause?.reason ?? '', effect.untilMs)
          .then((outcomes) =>
            send({ type: 'hooks-ended', atMs: now(), isLate: outcomes.some(isUnfinished) }),
          );
        break;
      case 'hurry-hooks':
        hooks.hurry(effect.untilMs);
        break;
      case 'serve-again':
        errorsAtMs = Number.POSITIVE_INFINITY;
        connections?.keepAlive();
        signals?.clearSignals();
        ports.setRefusing(false);
        void ports.setPhase('serving');
        logger?.info({}, 'the drain is taken back');
        break;
      case 'exit':
        void end(effect.code, effect.active);
        break;
    }
  }

  async function end(code: number, active: number): Promise<void> {
    if (active > 0) logger?.warn({ active }, 'requests were still in flight at the end');
    const shown = ports.setPhase(state.cause?.isFinal === true ? 'failed' : 'stopped');
    await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, LAST_PHASE_LIMIT_MS))]);
    // The listeners answer until here. Left to the 'exit' event, a starved machine might not close them in its time.
    await Promise.race([ports.closeProbe(), new Promise((resolve) => setTimeout(resolve, CLOSE_LIMIT_MS))]);
    ports.exit(code);
  }

  function logHook({ name, outcome, durationMs, error }: HookOutcome): void {
    const fields = { hook: name, durationMs: Math.round(durationMs) };
    if (outcome === 'done') logger?.debug(fields, 'clean-up hook done');
    else logger?.error({ ...fields, error: textOf(error) }, `clean-up hook ${outcome}`);
  }

  /** Said when it is configured, since at the signal it is too late. */
  function checkBudget(): void {
    const { gracePeriodMs, lameDuckMs } = config;
    const { drainMs, cutMs, hooksMs } = drainBudget({ gracePeriodMs, hooksMs: hooks.totalMs() });
    if (hooks.totalMs() <= hooksMs && lameDuckMs < drainMs) return;
    logger?.warn(
      { gracePeriodMs, lameDuckMs, hooksMs: hooks.totalMs(), errorsMs: cutMs },
      `shutdown: ${lameDuckMs} ms of lame duck, ${hooks.totalMs()} ms of clean-up hooks and ${cutMs} ms for errors do not fit ` +
        `into the grace period of ${gracePeriodMs} ms with time for requests in flight; hooks get at most half of it`,
    );
  }

  function watchConnections(): void {
    connections ??= watchHttpConnections();
  }

  function start(cause: DrainCause, gracePeriodMs: number, lameDuckMs: number): void {
    const { drain } = config;
    const policy = { gracePeriodMs, lameDuckMs, drain, hooksMs: hooks.totalMs() };
    send({ type: 'begin', atMs: now(), cause, policy, active: activeRequests() });
  }

  return {
    hooks,
    begin({ reason, exitCode = 0, deadlineCode, isFinal = false, deadlineMs, lameDuckMs }) {
      logger?.info({ reason, active: activeRequests() }, 'shutting down');
      start(
        {
          reason,
          exits: true,
          exitCode,
          deadlineCode: deadlineCode ?? (exitCode === 0 ? EXIT_DEADLINE : exitCode),
          isFinal,
          isLeftToOthers: false,
        },
        Math.min(deadlineMs ?? Number.POSITIVE_INFINITY, config.gracePeriodMs),
        lameDuckMs ?? (exitCode === 0 ? config.lameDuckMs : 0),
      );
    },
    onSignal(signal, isLeftToOthers) {
      if (state.cause?.exits === true) {
        send({ type: 'signal', atMs: now() });
        return;
      }
      logger?.info({ signal, active: activeRequests() }, 'shutting down');
      start(
        {
          reason: signal,
          exits: true,
          exitCode: 0,
          deadlineCode: EXIT_DEADLINE,
          isFinal: false,
          isLeftToOthers,
        },
        config.gracePeriodMs,
        config.lameDuckMs,
      );
    },
    pause(reason, deadlineMs = Number.POSITIVE_INFINITY) {
      if (state.phase !== 'serving') return;
      const cause = {
        reason,
        exits: false,
        exitCode: 0,
        deadlineCode: 0,
        isFinal: false,
        isLeftToOthers: false,
      };
      start(cause, deadlineMs, 0);
    },
    resume() {
      if (state.phase === 'fencing' || state.phase === 'stopped') return false;
      send({ type: 'resume', atMs: now() });
      return true;
    },
    status() {
      const isServing = state.phase === 'serving';
      const { cutAtMs, cause } = state;
      const remainingMs =
        isServing || cutAtMs === Number.POSITIVE_INFINITY ? null : Math.max(0, cutAtMs - now());
      return {
        phase: state.phase,
        reason: cause?.reason ?? null,
        exits: cause?.exits ?? false,
        active: activeRequests(),
        elapsedMs: isServing ? 0 : now() - state.startedAtMs,
        remainingMs,
      };
    },
    watchConnections,
    checkBudget,
    close() {
      isClosed = true;
      clearInterval(ticker);
      clearTimeout(wake);
      connections?.stop();
    },
  };
}

function isUnfinished({ outcome }: HookOutcome): boolean {
  return outcome === 'timeout' || outcome === 'skipped';
}

function textOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  return error instanceof Error ? error.message : String(error);
}

/** Begins the shutdown of the process: what signals, failures of GPU and engine, and the admin listener do. */
export function beginShutdown(service: { readonly shutdown: Shutdown }, request: ShutdownRequest): void {
  service.shutdown.begin(request);
}

/**
 * Installs the signal handlers: the process exits with 0, or with 75 when the grace period is over first. A second signal
 * does not wait any longer, a third exits. Returns the uninstaller.
 * @param yieldsExit where the application handles the signal too, it gets the grace period to exit by itself.
 */
export function installShutdown(
  shutdown: Shutdown,
  config: ShutdownConfig,
  signals: NativeSignals | null,
  yieldsExit: boolean,
): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    signals?.acknowledgeSignal();
    // Looked at before the others run: a handler of process.once() is gone afterwards.
    shutdown.onSignal(signal, yieldsExit && process.listenerCount(signal) > 1);
  };
  for (const signal of config.signals) process.prependListener(signal, onSignal);
  // Behind libuv's: it calls that one, and notes for the probe thread what the main thread may learn late.
  signals?.watchSignals(
    config.signals.map((signal) => constants.signals[signal]),
    EXIT_DEADLINE,
  );
  const rearm = setInterval(() => signals?.rearmSignals(), REARM_MS).unref();
  if (signals === null) clearInterval(rearm);
  shutdown.watchConnections();
  shutdown.checkBudget();
  return () => {
    clearInterval(rearm);
    // In this order: libuv resets a signal that nobody listens to.
    signals?.unwatchSignals();
    for (const signal of config.signals) process.off(signal, onSignal);
  };
}
