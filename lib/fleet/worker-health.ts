/**
 * What the silence of a worker means, from its beacons and frames alone. A beacon comes every 250 ms and says how far the
 * engine is; so a process that stands still, an engine that hangs in a running process, and a prefill that takes its time
 * can be told apart. See docs/fleet/worker-health.md.
 */
export type WorkerCondition =
  /** Heard of lately, and the engine moves or has nothing to do. */
  | 'alive'
  /** Silent, or the engine stands still, for longer than usual: nothing is lost, but a second start may pay. */
  | 'suspect'
  /** No sign at all: the process is stopped, gone or cut off. */
  | 'frozen'
  /** Beacons come, the engine stands still with work to do. */
  | 'hung';

export interface Beacon {
  readonly atMs: number;
  /** Steps of the engine since its start. */
  readonly engineStep: number;
  /** Requests in the engine. */
  readonly running: number;
  /** Tokens that the engine has been given since its start, prefill included: moves within a long prefill. */
  readonly scheduledTokens: number;
  /** How long the present step may take by the engine's own estimate, milliseconds; 0: unknown. */
  readonly expectedStepMs: number;
}

export interface WorkerHealthOptions {
  /** Silence until `suspect`. Default 1000: four beacons. */
  readonly suspectAfterMs?: number;
  /** Silence until `frozen`. Default 2500. */
  readonly frozenAfterMs?: number;
  /** Standing still with work until `suspect`. Default 2000. */
  readonly slowAfterMs?: number;
  /** Standing still with work until `hung`. Default 4500. */
  readonly hungAfterMs?: number;
}

export interface WorkerHealth {
  beacon(beacon: Beacon): void;
  /** A token came: the process lives and its engine moves. */
  frame(atMs: number): void;
  condition(atMs: number): WorkerCondition;
  /** When the condition may next change by time alone. */
  nextChangeMs(atMs: number): number;
}

/** A step may take this many times its own estimate. */
const STEP_SLACK = 3;

/** @param atMs when the worker was first seen */
export function createWorkerHealth(atMs: number, options: WorkerHealthOptions = {}): WorkerHealth {
  const { suspectAfterMs = 1000, frozenAfterMs = 2500, slowAfterMs = 2000, hungAfterMs = 4500 } = options;
  let heardMs = atMs;
  let movedMs = atMs;
  let last: Beacon | null = null;

  const isBusy = (): boolean => last !== null && last.running > 0;
  const stepMs = (): number => (last?.expectedStepMs ?? 0) * STEP_SLACK;

  function condition(nowMs: number): WorkerCondition {
    const silentMs = nowMs - heardMs;
    if (silentMs >= frozenAfterMs) return 'frozen';
    // While nothing is heard, nothing is known of the engine: only the time up to the last sign counts against it.
    const stillMs = isBusy() ? Math.max(0, Math.min(nowMs, heardMs + suspectAfterMs) - movedMs) : 0;
    if (stillMs >= Math.max(hungAfterMs, stepMs())) return 'hung';
    if (silentMs >= suspectAfterMs || stillMs >= Math.max(slowAfterMs, stepMs())) return 'suspect';
    return 'alive';
  }

  return {
    beacon(beacon) {
      // Late or repeated ones say nothing new.
      if (last !== null && beacon.atMs < last.atMs) return;
      const hasMoved =
        last === null ||
        beacon.engineStep !== last.engineStep ||
        beacon.scheduledTokens !== last.scheduledTokens ||
        // What begins to run now has not stood still before.
        (last.running === 0 && beacon.running > 0) ||
        beacon.running === 0;
      if (hasMoved) movedMs = Math.max(movedMs, beacon.atMs);
      heardMs = Math.max(heardMs, beacon.atMs);
      last = beacon;
    },
    frame(frameMs) {
      heardMs = Math.max(heardMs, frameMs);
      movedMs = Math.max(movedMs, frameMs);
    },
    condition,
    nextChangeMs(nowMs) {
      const times = [heardMs + suspectAfterMs, heardMs + frozenAfterMs];
      if (isBusy())
        times.push(movedMs + Math.max(slowAfterMs, stepMs()), movedMs + Math.max(hungAfterMs, stepMs()));
      return Math.min(...times.filter((time) => time > nowMs), Number.POSITIVE_INFINITY);
    },
  };
}
