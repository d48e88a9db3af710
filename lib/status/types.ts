import type { EngineFinding } from '../engine/policy-types.js';
import type { GpuDeviceFacts } from '../gpu/facts.js';
import type { GpuFinding } from '../gpu/finding.js';
import type { LeakReport } from '../gpu/leak.js';

/** Health of one component. `unknown` means that no current observation exists; it is never reported as healthy. */
export type Status = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';

/** Where the process is in its life. `failed`: a restart will not help. */
export type Phase = 'starting' | 'serving' | 'draining' | 'stopped' | 'failed';

/**
 * Who observes a component: `system` is sampled by this library, `application` is set by the application,
 * `check` is the result of a function registered with `health.check`.
 */
export type Owner = 'system' | 'application' | 'check';

export interface Component {
  readonly name: string;
  readonly status: Status;
  /** Machine-readable code `<component>.<condition>`; null while healthy. */
  readonly reason: string | null;
  readonly message: string;
  /** Error text, shown only to listeners with `details: 'full'`. */
  readonly detail: string | null;
  /** Monotonic milliseconds of the observation. */
  readonly observedAtMs: number;
  /** Looked at with every answer, as the loop is: its age is always 0. */
  readonly continuous: boolean;
  /** Monotonic milliseconds at which the present status and reason began. */
  readonly sinceMs: number;
  /** How long the observation took, in milliseconds; null where nothing was executed. */
  readonly durationMs: number | null;
  /** An unhealthy critical component makes the whole unhealthy. */
  readonly critical: boolean;
  readonly owner: Owner;
  /** False for `model` and `inference_engine` until the application first speaks about them. */
  readonly claimed: boolean;
  /** After this many milliseconds without a new observation the component is `unknown`; null: never. */
  readonly staleAfterMs: number | null;
}

export interface Endpoint {
  readonly name: string;
  readonly status: 'ready' | 'notready';
  readonly reason: string | null;
  readonly sinceMs: number;
}

export interface Hold {
  readonly name: string;
  readonly sinceMs: number;
}

/** Thresholds of the status model; see `docs/configuration.md` for each. */
export interface Policy {
  readonly startupGraceMs: number;
  readonly liveStallMs: number;
  readonly loopUnreadyMs: number;
  readonly memoryDegradedPercent: number;
  readonly memoryUnhealthyPercent: number;
  /** Components that gate readiness besides those that always do. */
  readonly gates: readonly string[];
  readonly aggregation: 'documented' | 'worst';
  /** Endpoints that gate readiness; empty: every declared one. */
  readonly requiredEndpoints: readonly string[];
  /** Of required endpoints until they are declared, and of a Dynamo worker without any endpoint. */
  readonly startingHealthStatus: 'ready' | 'notready';
  /** Whether a dead or stalled engine withdraws readiness and liveness, or is only reported. Default true. */
  readonly engineGates?: boolean;
  /** Age in milliseconds from which a sampled fact counts as stale. */
  readonly sampleStaleMs: number;
}

/** What one host sample says about memory and CPU; null where the host does not tell. */
export interface HostFacts {
  readonly atMs: number;
  readonly durationMs: number;
  /** `cgroup` where a memory limit below the host's memory applies, else `host`. */
  readonly memoryScope: 'cgroup' | 'host';
  readonly memoryPercent: number | null;
  /** Why memoryPercent is null. */
  readonly memoryAbsent: string | null;
  /** Share of scheduler periods in which the cgroup was throttled since the last sample, 0 to 1. */
  readonly throttledRatio: number | null;
  /** PSI `some avg10` of the CPU in percent. */
  readonly cpuPressurePercent: number | null;
  /** CPU use in percent of the quota (in a container) or of the host. */
  readonly cpuPercent: number | null;
}

/** Loop of the main thread as three levels, because a level changes rarely and a duration always. */
export type LoopLevel = 'turning' | 'blocked' | 'stalled';

/** What the GPU policy concluded, as plain data; absent where no GPU is looked at. */
export interface GpuReport {
  readonly status: Status;
  readonly reason: string | null;
  readonly message: string;
  readonly atMs: number;
  /** A finding withdraws readiness. */
  readonly gating: boolean;
  /** Whether a restart would cure all that gates; null while nothing gates. */
  readonly restartHelps: boolean | null;
  readonly findings: readonly GpuFinding[];
  readonly devices: readonly GpuDeviceReport[];
  readonly driverVersion: string | null;
  readonly cudaVersion: string | null;
  readonly leak: LeakReport | null;
}

export interface GpuDeviceReport {
  readonly facts: GpuDeviceFacts;
  readonly used: boolean;
}

/** How a test request to an endpoint ended. `inconclusive`: it says nothing, as when the engine was busy with others. */
export type CanaryOutcome = 'ok' | 'failed' | 'timeout' | 'empty' | 'inconclusive';

/** What test requests and real traffic say about one served endpoint. */
export interface CanaryReport {
  /** `pending`: neither a test request nor a real one has succeeded yet. Only `ok` leaves readiness alone. */
  readonly status: 'pending' | 'ok' | 'failed';
  /** Since when it has this status, monotonic milliseconds. */
  readonly sinceMs: number;
  /** The last ones, oldest first. */
  readonly history: readonly CanaryEntry[];
  /** Since start. */
  readonly counts: Readonly<Record<CanaryOutcome, number>>;
}

export interface CanaryEntry {
  readonly atMs: number;
  readonly outcome: CanaryOutcome;
  readonly durationMs: number;
  /** Error text, shown only to listeners with `details: 'full'`. */
  readonly detail: string | null;
}

export interface EndpointCanary extends CanaryReport {
  /** Of the endpoint. */
  readonly name: string;
}

export interface State {
  readonly phase: Phase;
  readonly startedAtMs: number;
  /** The main thread has completed its first turn of the loop. */
  readonly mainReported: boolean;
  /** The caller of `startHealth` has had its turn; before that nobody can know what it will claim. */
  readonly settled: boolean;
  /** A first host sample exists. */
  readonly sampled: boolean;
  readonly loop: LoopLevel;
  readonly loopSinceMs: number;
  readonly memory: LevelState;
  readonly cpu: LevelState;
  readonly components: readonly Component[];
  readonly endpoints: readonly Endpoint[];
  readonly holds: readonly Hold[];
  readonly gpu: GpuReport | null;
  readonly engine: EngineFinding | null;
  /** By endpoint, sorted; empty where no test requests are sent. */
  readonly canaries: readonly EndpointCanary[];
  readonly policy: Policy;
}

/** See `levels.ts`. */
export interface LevelState {
  readonly level: number;
  /** Since when the value has been below the leave threshold of the present level; null while it has not. */
  readonly belowSinceMs: number | null;
}
