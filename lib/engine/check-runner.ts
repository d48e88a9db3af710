import { InferenceHealthError } from '../errors.js';
import { afterTurning } from './turning.js';

/**
 * Asks the engine whether it is well. Nothing or true: it is. False, or a throw: it is not, which ends the process only if
 * it stays so for `liveStallMs`. `'dead'`: it cannot recover.
 */
export type EngineCheck = (context: {
  readonly signal: AbortSignal;
  // biome-ignore lint/suspicious/noConfusingVoidType: a check without a return statement is the common case
}) => undefined | void | boolean | 'dead' | Promise<undefined | void | boolean | 'dead'>;

export interface CheckRunnerOptions {
  readonly check: EngineCheck;
  /** Milliseconds from the end of one run to the start of the next. */
  readonly intervalMs: number;
  /** Milliseconds, counted while the loop turns; 0: without limit. */
  readonly timeoutMs: number;
  readonly onState: (state: 'ok' | 'failed' | 'timeout' | 'dead', detail: string | null) => void;
}

/** Runs the check again and again, never beside itself: one that hangs delays only itself. Returns the stop. */
export function runCheck({ check, intervalMs, timeoutMs, onState }: CheckRunnerOptions): () => void {
  let isStopped = false;
  let timer = setTimeout(() => void run(), 0).unref();
  let abort: (() => void) | null = null;

  async function run(): Promise<void> {
    const controller = new AbortController();
    abort = () => controller.abort(new InferenceHealthError('ERR_CLOSED', 'the engine is no longer watched'));
    let isLate = false;
    const onLate = (): void => {
      isLate = true;
      controller.abort(
        new InferenceHealthError('ERR_CLOSED', `the engine check exceeded its ${timeoutMs} ms`),
      );
      tell('timeout', `no result within ${timeoutMs} ms`);
    };
    const disarm = timeoutMs > 0 ? afterTurning(timeoutMs, onLate) : () => undefined;
    try {
      const result = await check({ signal: controller.signal });
      if (result === 'dead') tell('dead', 'the check returned dead');
      else if (!isLate)
        tell(result === false ? 'failed' : 'ok', result === false ? 'the check returned false' : null);
    } catch (error) {
      if (!isLate) tell('failed', error instanceof Error ? error.message : String(error));
    } finally {
      disarm();
      abort = null;
      if (!isStopped) timer = setTimeout(() => void run(), intervalMs).unref();
    }
  }

  function tell(state: 'ok' | 'failed' | 'timeout' | 'dead', detail: string | null): void {
    if (!isStopped) onState(state, detail);
  }

  return () => {
    isStopped = true;
    clearTimeout(timer);
    abort?.();
  };
}
