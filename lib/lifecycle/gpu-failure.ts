import type { Config } from '../config/options.js';
import type { GpuReport } from '../status/types.js';
import type { GpuFailure } from './emitter.js';
import type { Service } from './service.js';
import { beginShutdown } from './shutdown.js';

/** As documented for a failed GPU; 74 (sysexits' EX_IOERR) with `exitCodes: 'distinct'` where a restart will not help. */
const EXIT_FAILURE = 1;
const EXIT_NO_RESTART = 74;

/**
 * Watches for the moment at which GPU faults withdraw readiness: tells the application, then does what `onGpuFailure` says.
 * Readiness itself is withdrawn on the probe thread, milliseconds earlier and also while the main thread is blocked.
 */
export function createGpuFailureWatch(config: Config): (service: Service, report: GpuReport | null) => void {
  let isFailed = false;
  return (service, report) => {
    const isGating = report?.gating === true;
    if (isGating === isFailed) return;
    isFailed = isGating;
    if (report === null || !isGating) {
      service.logger?.info({}, 'GPU fault is over');
      return;
    }
    const failure = failureOf(report);
    service.logger?.error({ ...failure }, 'GPU failure');
    service.emitter.emit('gpuFailure', failure);
    if (config.onGpuFailure !== 'shutdown') return;
    const isFinal = config.exitCodes === 'distinct' && !failure.restartHelps;
    beginShutdown(service, {
      reason: 'GPU failure',
      exitCode: isFinal ? EXIT_NO_RESTART : EXIT_FAILURE,
      isFinal: !failure.restartHelps,
    });
  };
}

function failureOf({ findings, restartHelps }: GpuReport): GpuFailure {
  return {
    restartHelps: restartHelps ?? false,
    findings: findings
      .filter(({ used, gating }) => used && gating)
      .map(({ code, uuid, index, action, message }) => ({ code, uuid, index, action, message })),
  };
}
