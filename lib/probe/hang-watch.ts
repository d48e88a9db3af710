import type { Config } from '../config/options.js';
import { NO_HANG, stepHang } from '../engine/policy-hang.js';

/** As documented for a failed engine. */
const EXIT_FAILURE = 1;

export interface HangWatchPorts {
  readonly config: Pick<Config, 'onEngineFailure' | 'liveStallMs' | 'drain'>;
  /** False while a debugger may be what stops the main thread. */
  readonly mayEnd: boolean;
  active(): number;
  log(message: string): void;
  exit(code: number): void;
}

/**
 * Ends a process whose main thread will not turn again, which it cannot do itself, where `onEngineFailure` is `shutdown`.
 * An orchestrator that probes liveness does it as well; not everybody has one.
 */
export function createHangWatch(ports: HangWatchPorts): (nowMs: number, busyMs: number) => void {
  const { config } = ports;
  let state = NO_HANG;
  let isOver = false;
  return (atMs, busyMs) => {
    if (isOver || !ports.mayEnd || config.onEngineFailure !== 'shutdown') return;
    const isStalled = busyMs >= config.liveStallMs;
    const look = { atMs, isStalled, active: isStalled ? ports.active() : 0 };
    const stepped = stepHang(state, look, config.drain.gracePeriodMs);
    state = stepped.state;
    if (!stepped.isOver) return;
    isOver = true;
    ports.log(`main thread blocked for ${Math.round(busyMs)} ms and given up: the process ends`);
    ports.exit(EXIT_FAILURE);
  };
}
