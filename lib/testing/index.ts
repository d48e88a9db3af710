/**
 * Faults for fleets of inference servers: real processes, faults as data, a load that checks every text, figures with bounds.
 * See docs/testing.md.
 */
export { type Streamed, type StreamOptions, streamCompletion } from './client.js';
export { type Fleet, type FleetOptions, startFleet } from './fleet.js';
export { inject } from './inject.js';
export type { Injected } from './injected.js';
export { createLoad, type Load, type Measured, type Outcome } from './load.js';
export type { Exit, ManagedProcess } from './managed-process.js';
export type { Member, MemberPlan } from './member.js';
export { type FaultProxy, type ProxyOptions, startProxy, type Weather } from './proxy.js';
export { createRandom } from './random.js';
export { createRecorder, type Recorder } from './recorder.js';
export { type RunOptions, type RunResult, runScenario } from './run.js';
export { type NamedWorker, parseScenario } from './scenario.js';
export type { Etcd } from './servers.js';
export { type Spread, spread } from './spread.js';
export { renderTimeline, type Timeline, type TimelineEvent } from './timeline.js';
export {
  type Bounds,
  FAULT_NAMES,
  type Fault,
  type FaultName,
  type FleetSpec,
  type FrontendSpec,
  type LoadSpec,
  type Scenario,
  type WorkerSpec,
} from './types.js';
export { type Check, type Difference, type Figures, judge, type Verdict } from './verdict.js';
export type { FakeGpus, FleetWorker } from './worker-member.js';
