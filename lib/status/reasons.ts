/** One row of `docs/status.md`: what a reason code means and what it asks the operator to do. */
export interface ReasonRow {
  readonly code: string;
  readonly meaning: string;
  readonly action: string;
}

/** `<name>` stands for a configured name. A test compares this table with the documentation and with the code. */
export const REASONS: readonly ReasonRow[] = [
  {
    code: 'memory.elevated',
    meaning: 'Memory use is above `memory.degradedPercent` of the limit.',
    action: 'Shed load or raise the limit; nothing restarts by itself.',
  },
  {
    code: 'memory.critical',
    meaning: 'Memory use is above `memory.unhealthyPercent` of the limit; an OOM kill is near.',
    action: 'Send traffic elsewhere, look for a leak, raise the limit.',
  },
  {
    code: 'memory.unknown',
    meaning: 'Memory use cannot be read; the message says why.',
    action: 'Check that /proc and the cgroup are mounted and readable.',
  },
  {
    code: 'memory.stale',
    meaning: 'The sampler has stopped reporting.',
    action: 'Report it with the log; readiness is not affected.',
  },
  {
    code: 'cpu.pressure',
    meaning: 'Tasks waited for a CPU during much of the last 10 s (PSI).',
    action: 'Give the process more CPU or less work.',
  },
  {
    code: 'cpu.throttled',
    meaning: 'The cgroup CPU quota was exhausted in more than a tenth of the scheduler periods.',
    action: 'Raise or remove the CPU limit: while throttled, probes wait too.',
  },
  { code: 'cpu.unknown', meaning: 'CPU use cannot be read.', action: 'Check that /proc/stat is readable.' },
  {
    code: 'cpu.stale',
    meaning: 'The sampler has stopped reporting.',
    action: 'Report it with the log; readiness is not affected.',
  },
  {
    code: 'event_loop.unknown',
    meaning: 'The main thread has not completed its first turn of the loop.',
    action: 'Wait; if it lasts, look at what runs synchronously at start.',
  },
  {
    code: 'event_loop.blocked',
    meaning: 'The main thread has not turned its loop for `loopUnreadyMs`.',
    action: 'Move the synchronous work off the main thread; `event_loop.last_stall` names it.',
  },
  {
    code: 'event_loop.stalled',
    meaning: 'The main thread has not turned its loop for `liveStallMs`; liveness fails.',
    action: 'The orchestrator restarts the process.',
  },
  {
    code: 'model.unmanaged',
    meaning: 'The application never spoke about its model; counted as healthy.',
    action: 'Call `health.model.loading()` and `.ready()`.',
  },
  { code: 'model.loading', meaning: 'The model is loading.', action: 'Wait.' },
  {
    code: 'model.failed',
    meaning: 'The application reported that the model failed.',
    action: 'Read the application log.',
  },
  {
    code: 'inference_engine.unmanaged',
    meaning: 'The application never spoke about its engine; counted as healthy.',
    action: 'Call `health.engine.loading()` and `.ready()`.',
  },
  { code: 'inference_engine.loading', meaning: 'The inference engine is starting.', action: 'Wait.' },
  {
    code: 'inference_engine.failed',
    meaning: 'The application reported that the engine failed.',
    action: 'Read the application log.',
  },
  {
    code: 'inference_engine.dead',
    meaning: 'The engine process has exited, is gone, or has closed its pipe, or the engine check said so.',
    action:
      'Read `engineFailure` in the log; with `onEngineFailure: shutdown` the process drains and exits with 1.',
  },
  {
    code: 'inference_engine.stalled',
    meaning:
      'The engine does not progress: stopped, no heartbeat, or work and no token for too long; see the message.',
    action: 'Wait for `liveStallMs`: then liveness fails, or the process drains and exits with 1.',
  },
  {
    code: 'inference_engine.check_failed',
    meaning: 'The `check` given to `health.engine.watch` returned false or threw.',
    action: 'Read the log; the same follows as for a stalled engine.',
  },
  {
    code: 'canary.pending',
    meaning: 'No test request to the endpoint and no real one has succeeded yet.',
    action: 'Wait for the first one, at most a few seconds.',
  },
  {
    code: 'canary.failed',
    meaning: 'Test requests to the endpoint failed; `canary` on a `full` listener has the last ones.',
    action: 'None at once: readiness returns with the next success. Look at the engine if it does not.',
  },
  {
    code: 'endpoint.notready',
    meaning: 'A declared endpoint is not ready.',
    action: 'Wait, or see what the endpoint needs.',
  },
  {
    code: 'endpoint.<reason>',
    meaning: 'The same, with the reason that the application gave to `notReady(reason)`.',
    action: 'As the application documents it.',
  },
  {
    code: 'endpoint.none',
    meaning: 'Dynamo listeners only: no endpoint is declared, and the starting health status is `notready`.',
    action: 'Declare one, or set `startingHealthStatus`.',
  },
  {
    code: 'hold.<name>',
    meaning: 'The application holds readiness back under this name.',
    action: 'Wait until the application releases it.',
  },
  {
    code: 'phase.starting',
    meaning: 'The first turn of the loop, the first sample or a claimed model is still missing.',
    action: 'Wait.',
  },
  { code: 'phase.stopped', meaning: 'The process has stopped serving.', action: 'None.' },
  {
    code: 'phase.failed',
    meaning: 'The process has failed and a restart will not help.',
    action: 'Read the log; repair the cause first.',
  },
  {
    code: 'drain.active',
    meaning: 'The process finishes its work and accepts nothing new.',
    action: 'None; traffic goes elsewhere.',
  },
  {
    code: '<name>.check_failed',
    meaning: 'A check registered with `health.check` threw, rejected, or returned false or `unhealthy`.',
    action: 'Read `detail` of the component on a `full` listener.',
  },
  {
    code: '<name>.check_timeout',
    meaning: 'A check did not settle within its `timeoutMs`.',
    action: 'Look at what the check waits for.',
  },
  {
    code: '<name>.check_degraded',
    meaning: 'A check returned `degraded`.',
    action: 'Read `detail` of the component on a `full` listener.',
  },
  { code: '<name>.pending', meaning: 'A registered check has not passed once.', action: 'Wait.' },
  {
    code: '<name>.stale',
    meaning:
      'No result of a check arrived for three intervals and a timeout, as when the main thread is blocked.',
    action: 'See `event_loop`.',
  },
  {
    code: '<name>.<reason>',
    meaning: 'What the application reported with `health.component(name).set(status, reason)`.',
    action: 'As the application documents it.',
  },
  {
    code: '<name>.<status>',
    meaning: 'The same without a reason: `degraded`, `unhealthy` or `unknown`.',
    action: 'As the application documents it.',
  },
];
