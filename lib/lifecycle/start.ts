import { isMainThread } from 'node:worker_threads';
import type { HealthOptions } from '../config/options.js';
import { resolveConfig } from '../config/resolve.js';
import { InferenceHealthError } from '../errors.js';
import { requireProbeEntry } from '../probe/thread.js';
import { createHandle } from './handle.js';
import type { Health } from './health.js';
import { type ServiceInternals, startService } from './service.js';
import { installShutdown } from './shutdown.js';

/** Not part of the public options: how the package's own commands start it. */
export interface StartInternals extends ServiceInternals {
  /** On a signal that the application handles itself, only drains and leaves the exit to it, for the grace period. */
  readonly yieldsExit?: boolean;
}

/** On globalThis, because ESM, CommonJS and a second copy of the package must agree. */
const RUNNING = Symbol.for('inference-health.running');
type Registry = { [RUNNING]?: true | undefined };

/**
 * Starts health for this process: the probe thread, the host sampler and the loop monitor.
 *
 * The probe thread is started before this function returns its promise, so probes are answered while the next statement
 * blocks the main thread. Resolves once every listener is bound. Installs no signal handler (but see `shutdown`) and does
 * not keep the process alive.
 *
 * @throws InferenceHealthError ERR_CONFIG_INVALID, ERR_ALREADY_STARTED, ERR_PORT_IN_USE, ERR_PORT_FORBIDDEN,
 * ERR_HOST_INVALID, ERR_NATIVE_LOAD (as a rejection)
 */
export async function startHealth(options: HealthOptions = {}): Promise<Health> {
  return startWith(options, {});
}

export async function startWith(options: HealthOptions, internals: StartInternals): Promise<Health> {
  if (!isMainThread) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'startHealth belongs on the main thread; other threads call attachHealth()',
    );
  }
  const registry = globalThis as Registry;
  if (registry[RUNNING]) {
    throw new InferenceHealthError(
      'ERR_ALREADY_STARTED',
      'health is already running in this process; close() it first',
    );
  }
  const config = resolveConfig(options, process.env);
  requireProbeEntry();
  options.signal?.throwIfAborted();

  registry[RUNNING] = true;
  const free = (): void => {
    registry[RUNNING] = undefined;
  };
  try {
    const service = startService(options, config, internals);
    service.onClose(free);
    const started = await service.started;
    if (config.shutdown !== null) {
      const yieldsExit = internals.yieldsExit ?? false;
      service.onClose(installShutdown(service.shutdown, config.shutdown, service.signals, yieldsExit));
    }
    return createHandle(service, started);
  } catch (error) {
    free();
    throw error;
  }
}
