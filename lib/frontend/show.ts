import type { FrontendHealth } from '../dialects/dynamo-frontend.js';
import type { FrontendView } from '../dialects/view.js';

/** A fleet that starts changes the answer with every worker: they go to the probe thread together. */
const TOGETHER_MS = 20;

/** Passes on what `/health` answers whenever it has changed. */
export function createShow(
  documented: () => FrontendHealth,
  show: (frontend: FrontendView) => void,
): { now(): void; soon(): void } {
  let timer: NodeJS.Timeout | undefined;

  function now(): void {
    clearTimeout(timer);
    timer = undefined;
    const health = documented();
    show({ mode: health.mode, stage: health.stage, ...health.health() });
  }

  return {
    now,
    soon() {
      timer ??= setTimeout(now, TOGETHER_MS).unref();
    },
  };
}
