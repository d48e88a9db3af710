import type { Config } from '../config/options.js';
import type { Service } from './service.js';

const POLL_MS = 20;
/** sysexits' EX_TEMPFAIL: the drain deadline passed with requests in flight. */
const EXIT_DEADLINE = 75;

/**
 * Installs the signal handlers: readiness turns 503, requests in flight finish, the process exits with 0, or with 75
 * when the grace period is over first. A second signal does not wait any longer. Returns the uninstaller.
 * @param yieldsExit where the application handles the signal too, it gets the grace period to exit by itself.
 */
export function installShutdown(
  {
    beginDrain,
    activeRequests,
    close,
    logger,
  }: Pick<Service, 'beginDrain' | 'activeRequests' | 'close' | 'logger'>,
  config: NonNullable<Config['shutdown']>,
  yieldsExit: boolean,
): () => void {
  let signalled = 0;
  async function run(signal: NodeJS.Signals): Promise<void> {
    // Looked at before the others run: a handler of process.once() is gone afterwards.
    const isLeftToOthers = yieldsExit && process.listenerCount(signal) > 1;
    const deadlineMs = performance.now() + config.gracePeriodMs;
    logger?.info({ signal, active: activeRequests() }, 'shutting down');
    beginDrain();
    while ((activeRequests() > 0 || isLeftToOthers) && performance.now() < deadlineMs && signalled < 2) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        // An application that has closed everything ends by itself, with its own exit code.
        if (isLeftToOthers) timer.unref();
      });
    }
    const left = activeRequests();
    if (left > 0)
      logger?.warn({ active: left }, 'requests were still in flight at the end of the grace period');
    await close();
    process.exit(left > 0 ? EXIT_DEADLINE : 0);
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    signalled += 1;
    if (signalled === 1) void run(signal);
  };
  for (const signal of config.signals) process.prependListener(signal, onSignal);
  return () => {
    for (const signal of config.signals) process.off(signal, onSignal);
  };
}
