/** The fleet's starts. What they need (an HTTP client, the machines) is loaded only when one of them is called. */
import type { Frontend, FrontendOptions } from './frontend/options.js';
import type { Worker, WorkerOptions } from './worker/options.js';

/**
 * Serves an engine over OpenAI's API, with health, admission, cancellation and drain, and its tokens for frontends. See
 * docs/worker.md.
 * @throws InferenceHealthError ERR_ALREADY_STARTED where health runs in this process, ERR_CONFIG_INVALID, ERR_PORT_IN_USE,
 * ERR_HOST_INVALID, ERR_PORT_FORBIDDEN (all as rejections); what `engine` rejects with, where it is a function
 */
export async function serveWorker(options: WorkerOptions): Promise<Worker> {
  return (await import('./worker/serve-worker.js')).serveWorker(options);
}

/**
 * OpenAI's API in front of workers: a stream whose worker is lost goes on at another one. See docs/frontend.md.
 * @throws InferenceHealthError ERR_CONFIG_INVALID, ERR_PORT_IN_USE, ERR_HOST_INVALID, ERR_PORT_FORBIDDEN (as rejections)
 */
export async function startFrontend(options: FrontendOptions): Promise<Frontend> {
  return (await import('./frontend/frontend.js')).startFrontend(options);
}
