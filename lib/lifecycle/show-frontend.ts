import type { FrontendView } from '../dialects/view.js';
import type { Health } from './health.js';

/** By symbol, since ESM and CommonJS copies of the package must agree; not part of the public handle. */
export const SHOW_FRONTEND = Symbol.for('inference-health.show-frontend');

/** Gives the probe thread what a frontend answers on `/health`, so that it does while this thread is blocked. */
export function showFrontend(health: Health, frontend: FrontendView): void {
  (health as { [SHOW_FRONTEND]?: (frontend: FrontendView) => void })[SHOW_FRONTEND]?.(frontend);
}
