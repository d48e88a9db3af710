import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { checkName } from './claims.js';
import { type Closable, closerOf } from './closable.js';

/** What a clean-up hook is told. */
export interface ShutdownContext {
  /** Aborts when the hook's time is over. */
  readonly signal: AbortSignal;
  /** `SIGTERM`, `GPU failure`, … */
  readonly reason: string;
}

/** May return a promise; the next hook runs when it has settled or its time is over. */
export type ShutdownHook = (context: ShutdownContext) => unknown;

export interface ShutdownHookOptions {
  /** Longest time for the hook, in milliseconds. Default `shutdown.hookTimeoutMs`, 5000. */
  readonly timeoutMs?: number;
}

export interface ShutdownHookHandle {
  /** The hook is not run any more. */
  remove(): void;
  [Symbol.dispose](): void;
}

export interface HookOutcome {
  readonly name: string;
  readonly outcome: 'done' | 'failed' | 'timeout' | 'skipped';
  readonly durationMs: number;
  readonly error?: unknown;
}

/** The clean-up hooks of a process, in the order of their registration; those of the package itself come last. */
export interface ShutdownHooks {
  /** @throws InferenceHealthError ERR_CONFIG_INVALID for a bad name, a name that is taken, or a bad time */
  add(
    name: string,
    what: ShutdownHook | Closable,
    options?: ShutdownHookOptions,
    isBuiltIn?: boolean,
  ): ShutdownHookHandle;
  has(name: string): boolean;
  /** Sum of their time limits in milliseconds. */
  totalMs(): number;
  /** Runs all, one after the other; resolves when the last has settled or `untilMs` (monotonic) has come. Never rejects. */
  run(reason: string, untilMs: number): Promise<readonly HookOutcome[]>;
  /** Moves the end of a run forward. */
  hurry(untilMs: number): void;
}

interface Hook {
  readonly name: string;
  readonly run: ShutdownHook;
  readonly timeoutMs: number;
  readonly isBuiltIn: boolean;
}

const OPTION_NAMES = ['timeoutMs'];
const TIMED_OUT = Symbol('timed out');

export function createShutdownHooks(
  defaultTimeoutMs: number,
  now: () => number,
  log: (outcome: HookOutcome) => void = () => undefined,
): ShutdownHooks {
  const hooks = new Set<Hook>();
  let endsAtMs = Number.POSITIVE_INFINITY;
  let onHurry: () => void = () => undefined;

  async function runOne(hook: Hook, reason: string): Promise<HookOutcome> {
    const startedAtMs = now();
    const outcome = (kind: HookOutcome['outcome'], error?: unknown): HookOutcome => ({
      name: hook.name,
      outcome: kind,
      durationMs: now() - startedAtMs,
      ...(error === undefined ? {} : { error }),
    });
    // A timer may come a fraction of a millisecond early.
    if (startedAtMs + 1 >= endsAtMs) return outcome('skipped');
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<typeof TIMED_OUT>((resolve) => {
      const arm = (): void => {
        clearTimeout(timer);
        const leftMs = Math.min(startedAtMs + hook.timeoutMs, endsAtMs) - now();
        timer = setTimeout(() => resolve(TIMED_OUT), Math.max(0, Math.ceil(leftMs)));
      };
      onHurry = arm;
      arm();
    });
    try {
      const result = await Promise.race([
        // In a turn of its own: what it throws at once is caught like what it rejects with.
        Promise.resolve({ signal: controller.signal, reason }).then(hook.run),
        timeUp,
      ]);
      if (result !== TIMED_OUT) return outcome('done');
      const error = new InferenceHealthError('ERR_CLOSED', `clean-up hook ${hook.name} ran out of time`);
      controller.abort(error);
      return outcome('timeout', error);
    } catch (error) {
      return outcome('failed', error);
    } finally {
      clearTimeout(timer);
      onHurry = () => undefined;
    }
  }

  const has = (name: string): boolean => [...hooks].some((hook) => hook.name === name);

  return {
    has,
    add(name, what, options = {}, isBuiltIn = false) {
      checkName('onShutdown', name, []);
      if (has(name)) {
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `clean-up hook '${name}' exists already; remove() it first`,
        );
      }
      const unknown = Object.keys(options).find((key) => !OPTION_NAMES.includes(key));
      if (unknown !== undefined) {
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `unknown option '${unknown}' of clean-up hook ${name}; known: ${OPTION_NAMES.join(', ')}`,
        );
      }
      const { timeoutMs = defaultTimeoutMs } = options;
      if (typeof timeoutMs !== 'number' || !Number.isFinite(timeoutMs) || timeoutMs < 1)
        throw invalid(`onShutdown ${name}: timeoutMs`, 'a number of at least 1', timeoutMs);
      const run = typeof what === 'function' ? (what as ShutdownHook) : closerOf(name, what);
      const hook: Hook = { name, run, timeoutMs, isBuiltIn };
      hooks.add(hook);
      const remove = (): void => void hooks.delete(hook);
      return { remove, [Symbol.dispose]: remove };
    },
    totalMs: () => [...hooks].reduce((sum, { timeoutMs }) => sum + timeoutMs, 0),
    async run(reason, untilMs) {
      endsAtMs = untilMs;
      const outcomes: HookOutcome[] = [];
      const all = [...hooks];
      for (const hook of [
        ...all.filter(({ isBuiltIn }) => !isBuiltIn),
        ...all.filter(({ isBuiltIn }) => isBuiltIn),
      ]) {
        const outcome = await runOne(hook, reason);
        log(outcome);
        outcomes.push(outcome);
      }
      return outcomes;
    },
    hurry(untilMs) {
      endsAtMs = Math.min(endsAtMs, untilMs);
      onHurry();
    },
  };
}
