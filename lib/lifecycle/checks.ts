import type { Logger } from '../config/options.js';
import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { PASSING, stepDebounce } from '../status/debounce.js';
import type { StatusEvent } from '../status/events.js';
import type { Status } from '../status/types.js';
import { cleanText } from './claims.js';

/** What a check may return: nothing or true means healthy; an object can say `degraded`. */
export type CheckResult =
  | undefined
  // biome-ignore lint/suspicious/noConfusingVoidType: a check without a return statement is the common case
  | void
  | boolean
  | { readonly status: 'healthy' | 'degraded' | 'unhealthy'; readonly message?: string };

/** Receives a signal that is aborted when the check's time is over. */
export type CheckFunction = (context: { readonly signal: AbortSignal }) => CheckResult | Promise<CheckResult>;

export interface CheckOptions {
  /** Time between the end of one run and the start of the next, in milliseconds. Default 5000. */
  intervalMs?: number;
  /** A run that has not settled by then counts as failed. Default 2000. */
  timeoutMs?: number;
  /** Whether an unhealthy result makes the whole unhealthy and the process not ready. Default false. */
  critical?: boolean;
  /** Consecutive failures until the component turns unhealthy. Default 1. */
  failureThreshold?: number;
  /** Consecutive successes until it turns healthy again. Default 1. */
  successThreshold?: number;
}

export interface CheckHandle {
  /** Stops the check and removes its component. */
  stop(): void;
  [Symbol.dispose](): void;
}

export interface CheckPorts {
  readonly dispatch: (event: StatusEvent) => void;
  readonly now: () => number;
  /** Told when the status changes, with the text that only `full` listeners show. */
  readonly logger?: Logger | null;
}

const OPTION_NAMES = ['intervalMs', 'timeoutMs', 'critical', 'failureThreshold', 'successThreshold'];

const STATUSES: readonly unknown[] = ['healthy', 'degraded', 'unhealthy'];

function statusOf(result: unknown): 'healthy' | 'unhealthy' {
  return result === false ? 'unhealthy' : 'healthy';
}

function unknownStatus(status: unknown): string {
  return (
    `the check returned an object with status ${JSON.stringify(status)}; expected 'healthy', 'degraded' or 'unhealthy', ` +
    'or true or false (of a fetch: response.ok)'
  );
}

function positive(where: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 1)
    throw invalid(where, 'a number of at least 1', value);
  return value;
}

/**
 * Runs `fn` again and again without ever overlapping itself: the next run is planned when one has settled, so a hanging
 * check delays only itself. Throws ERR_CONFIG_INVALID on bad options.
 */
export function startCheck(
  name: string,
  fn: CheckFunction,
  options: CheckOptions,
  { dispatch, now, logger }: CheckPorts,
): CheckHandle {
  if (typeof fn !== 'function') throw invalid(`check ${name}`, 'a function', fn);
  for (const key of Object.keys(options)) {
    if (!OPTION_NAMES.includes(key)) {
      throw new InferenceHealthError(
        'ERR_CONFIG_INVALID',
        `unknown option '${key}' of check ${name}; known: ${OPTION_NAMES.join(', ')}`,
      );
    }
  }
  const intervalMs = positive(`check ${name}: intervalMs`, options.intervalMs, 5000);
  const timeoutMs = positive(`check ${name}: timeoutMs`, options.timeoutMs, 2000);
  const critical = options.critical ?? false;
  const thresholds = {
    failures: positive(`check ${name}: failureThreshold`, options.failureThreshold, 1),
    successes: positive(`check ${name}: successThreshold`, options.successThreshold, 1),
  };

  let stopped = false;
  let streak = PASSING;
  let everPassed = false;
  let logged: Status = 'unknown';
  let timer: NodeJS.Timeout | undefined;

  function report(
    status: 'healthy' | 'degraded' | 'unhealthy' | 'unknown',
    condition: string,
    message: string,
    detail: string | null,
    durationMs: number | null,
  ): void {
    if (stopped) return;
    if (status !== logged && status !== 'unknown') {
      const level = status === 'healthy' ? 'info' : 'warn';
      // The first success is the expected case and no news.
      if (status !== 'healthy' || logged !== 'unknown')
        logger?.[level]({ check: name, status, detail }, message);
      logged = status;
    }
    dispatch({
      type: 'component',
      atMs: now(),
      name,
      status,
      reason: `${name}.${condition}`,
      message,
      detail: detail === null ? null : cleanText(detail),
      durationMs,
      critical,
      owner: 'check',
      // Three missed rounds: one may be lost to a pause, a second to the timeout. A hanging run stays what it is.
      staleAfterMs: condition === 'check_timeout' ? null : 3 * intervalMs + timeoutMs,
    });
  }

  function settle(result: CheckResult, durationMs: number): void {
    const outcome = typeof result === 'object' && result !== null ? result : { status: statusOf(result) };
    const { status = 'healthy', message } = outcome;
    // A fetch Response has a numeric status: counted as passed, `() => fetch(url)` would be healthy whatever is answered.
    if (!STATUSES.includes(status)) {
      fail('check_failed', 'Check failed', unknownStatus(status), durationMs);
      return;
    }
    const passed = status !== 'unhealthy';
    streak = stepDebounce(streak, passed, thresholds);
    everPassed ||= passed;
    const detail = message === undefined ? null : String(message);
    if (streak.failing) report('unhealthy', 'check_failed', 'Check failed', detail, durationMs);
    else if (status === 'degraded')
      report('degraded', 'check_degraded', 'Check reports degraded', detail, durationMs);
    else if (passed || everPassed) report('healthy', 'ok', 'Check passed', detail, durationMs);
    else report('unknown', 'pending', 'Check has not passed yet', detail, durationMs);
  }

  function fail(
    condition: 'check_failed' | 'check_timeout',
    message: string,
    detail: string,
    durationMs: number,
  ): void {
    streak = stepDebounce(streak, false, thresholds);
    if (streak.failing) report('unhealthy', condition, message, detail, durationMs);
    else if (everPassed) report('healthy', 'ok', 'Check passed', `${message}: ${detail}`, durationMs);
    else report('unknown', 'pending', 'Check has not passed yet', detail, durationMs);
  }

  async function run(): Promise<void> {
    const startedAtMs = now();
    const controller = new AbortController();
    let timedOut = false;
    const timeout = setTimeout(() => {
      timedOut = true;
      // The run goes on until it settles: starting another one beside it would let a hanging dependency pile up work.
      controller.abort(new InferenceHealthError('ERR_CLOSED', `check ${name} exceeded its ${timeoutMs} ms`));
      fail('check_timeout', `Check did not finish within ${timeoutMs} ms`, 'timeout', now() - startedAtMs);
    }, timeoutMs);
    timeout.unref();
    abortRun = () => controller.abort(new InferenceHealthError('ERR_CLOSED', `check ${name} was stopped`));
    try {
      const result = await fn({ signal: controller.signal });
      if (!timedOut) settle(result, now() - startedAtMs);
    } catch (error) {
      if (!timedOut)
        fail(
          'check_failed',
          'Check failed',
          error instanceof Error ? error.message : String(error),
          now() - startedAtMs,
        );
    } finally {
      clearTimeout(timeout);
      abortRun = null;
      if (!stopped) {
        timer = setTimeout(() => void run(), intervalMs);
        timer.unref();
      }
    }
  }

  let abortRun: (() => void) | null = null;
  report('unknown', 'pending', 'Check has not completed yet', null, null);
  // Not in this turn: a check that throws or blocks must not do so inside the caller.
  timer = setTimeout(() => void run(), 0);
  timer.unref();

  function stop(): void {
    if (stopped) return;
    stopped = true;
    clearTimeout(timer);
    abortRun?.();
    dispatch({ type: 'component-removed', name });
  }
  return { stop, [Symbol.dispose]: stop };
}
