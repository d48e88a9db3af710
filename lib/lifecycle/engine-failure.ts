import type { Config } from '../config/options.js';
import type { EngineDescription } from '../engine/dump.js';
import type { EngineFinding } from '../engine/policy-types.js';
import type { EngineFailure } from './emitter.js';

/** As documented for a failed engine, whatever its fault. */
const EXIT_FAILURE = 1;

export interface EngineFailurePorts {
  readonly config: Pick<Config, 'onEngineFailure'>;
  describe(): EngineDescription;
  /** A drain is under way: the application ends its engine on purpose. */
  isEnding(): boolean;
  log(level: 'info' | 'error', fields: object, message: string): void;
  emit(failure: EngineFailure): void;
  /** Ends what is in flight with an explicit error: a failed engine answers none of it. */
  endRequests(message: string): void;
  exit(code: number): void;
}

/**
 * Waits for a final finding: tells the application, then does what `onEngineFailure` says. Readiness was withdrawn before
 * that, on the probe thread.
 */
export function createEngineFailureWatch(ports: EngineFailurePorts): (finding: EngineFinding | null) => void {
  let failed: EngineFinding | null = null;
  return (finding) => {
    if (finding === null || !finding.isFinal) {
      if (failed !== null && finding === null) {
        failed = null;
        ports.log('info', {}, 'the engine works again');
      }
      return;
    }
    // The main thread and the probe thread find the same death, each in its own way.
    if (failed !== null || ports.isEnding()) return;
    failed = finding;
    const failure = failureOf(finding, ports.describe());
    // Flat, since console shows nothing of what is nested deeper.
    const { engine, ...fields } = failure;
    ports.log('error', { ...fields, ...engine }, 'engine failure');
    ports.emit(failure);
    if (ports.config.onEngineFailure !== 'shutdown') return;
    ports.endRequests(failure.message);
    ports.exit(EXIT_FAILURE);
  };
}

function failureOf(
  { kind, cause, code, message, sinceMs }: EngineFinding,
  engine: EngineDescription,
): EngineFailure {
  return { kind, cause, code, message, sinceMs, engine };
}
