import type { Config } from '../config/options.js';
import type { Service } from './service.js';

type Ports = Pick<Service, 'beginDrain' | 'activeRequests' | 'close' | 'logger'>;

const POLL_MS = 20;
/** sysexits' EX_TEMPFAIL: the drain deadline passed with requests in flight. */
const EXIT_DEADLINE = 75;

interface Drain {
  readonly gracePeriodMs: number;
  /** Exit code when every request in flight has ended. */
  readonly code: number;
  /** Exit code when the grace period was over first. */
  readonly deadlineCode: number;
  /** True ends the wait. */
  readonly isHurried: () => boolean;
  /** The application ends by itself; only the grace period is waited for. */
  readonly isLeftToOthers: boolean;
}

/** Readiness turns 503, requests in flight finish, everything is closed, the process exits. */
async function drainAndExit(
  { beginDrain, activeRequests, close, logger }: Ports,
  drain: Drain,
): Promise<void> {
  const deadlineMs = performance.now() + drain.gracePeriodMs;
  beginDrain();
  while (
    (activeRequests() > 0 || drain.isLeftToOthers) &&
    performance.now() < deadlineMs &&
    !drain.isHurried()
  ) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      // An application that has closed everything ends by itself, with its own exit code.
      if (drain.isLeftToOthers) timer.unref();
    });
  }
  const left = activeRequests();
  if (left > 0)
    logger?.warn({ active: left }, 'requests were still in flight at the end of the grace period');
  await close();
  process.exit(left > 0 ? drain.deadlineCode : drain.code);
}

/**
 * Installs the signal handlers: the process exits with 0, or with 75 when the grace period is over first. A second signal
 * does not wait any longer. Returns the uninstaller.
 * @param yieldsExit where the application handles the signal too, it gets the grace period to exit by itself.
 */
export function installShutdown(
  service: Ports,
  config: NonNullable<Config['shutdown']>,
  yieldsExit: boolean,
): () => void {
  let signalled = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signalled += 1;
    if (signalled > 1) return;
    service.logger?.info({ signal, active: service.activeRequests() }, 'shutting down');
    void drainAndExit(service, {
      gracePeriodMs: config.gracePeriodMs,
      code: 0,
      deadlineCode: EXIT_DEADLINE,
      isHurried: () => signalled > 1,
      // Looked at before the others run: a handler of process.once() is gone afterwards.
      isLeftToOthers: yieldsExit && process.listenerCount(signal) > 1,
    });
  };
  for (const signal of config.signals) process.prependListener(signal, onSignal);
  return () => {
    for (const signal of config.signals) process.off(signal, onSignal);
  };
}

/** Ends the process after a failure that it cannot survive: what is in flight gets the grace period, the exit code is `code`. */
export function exitOnFailure(service: Ports, gracePeriodMs: number, code: number): void {
  void drainAndExit(service, {
    gracePeriodMs,
    code,
    deadlineCode: code,
    isHurried: () => false,
    isLeftToOthers: false,
  });
}
