import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { LOAD_FIGURES, type LoadWriter } from './load-block.js';

/** What the engine says about its load. Leave out what it does not tell; a figure that was reported once stays. */
export interface LoadReport {
  /** Requests that the engine works on. */
  readonly running?: number;
  /** Requests that the engine has queued. */
  readonly waiting?: number;
  /** KV cache blocks in use, and all there are. */
  readonly kvBlocksUsed?: number;
  readonly kvBlocksTotal?: number;
  /** Prompt tokens that are still to be processed. */
  readonly prefillTokens?: number;
}

/** `health.load` */
export interface LoadControl {
  /**
   * Publishes load figures: integers from 0 to 2^53 − 1. They appear in the document key `load`, in `/readyz?verbose` and in
   * the metrics, with their age; they decide nothing. Call it as often as they change: it costs a few atomic stores.
   * @throws InferenceHealthError ERR_CONFIG_INVALID for an unknown figure or a value that is none.
   */
  report(figures: LoadReport): void;
}

export function createLoadControl(block: LoadWriter, now: () => number): LoadControl {
  return {
    report(figures) {
      for (const [name, value] of Object.entries(figures)) {
        if (!(LOAD_FIGURES as readonly string[]).includes(name)) {
          throw new InferenceHealthError(
            'ERR_CONFIG_INVALID',
            `load.report: unknown figure '${name}'; there are ${LOAD_FIGURES.join(', ')}`,
          );
        }
        if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
          throw invalid(`load.report: ${name}`, 'an integer from 0 to 2^53 - 1', value);
      }
      block.report(figures, now());
    },
  };
}
