import type { DialectName } from '../dialects/index.js';
import type { Details } from '../dialects/view.js';
import type { GpuAction, GpuSeverity } from '../gpu/actions.js';
import type { XidOverride } from '../gpu/policy-options.js';
import type { AdminConfig, AdminOptions } from './admin.js';
import type { CanaryConfig, CanaryOptions } from './canary.js';
import type { EngineMonitorConfig, EngineMonitorOptions } from './engine.js';
import type { LimitsConfig, LimitsOptions } from './limits.js';
import type { DynamoPaths } from './paths.js';
import type { ShutdownConfig, ShutdownOptions } from './shutdown.js';

export type { AdminOptions, CanaryOptions, EngineMonitorOptions, LimitsOptions, ShutdownOptions };

/** Any pino-shaped logger. The library is silent unless one is given. */
export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
}

/** A prom-client registry or anything with the same method. */
export interface MetricsRegistry {
  metrics(): string | Promise<string>;
}

/** One address that answers probes: TCP (`port`, `host`) or a unix socket (`path`, `mode`). */
export interface ListenerOptions {
  /** TCP port, 0 to 65535; 0 takes any free one. */
  port?: number;
  /** IP literal or `localhost`. Default: all interfaces. */
  host?: string;
  /** Path of a unix socket, instead of `port` and `host`. */
  path?: string;
  /** Permission bits of the unix socket. Default 0o600. */
  mode?: number;
  dialect?: DialectName;
  /** `documented` leaves out stacks, error texts and pids. Default: `full` on loopback and unix sockets, else `documented`. */
  details?: Details;
  /** Other paths for `/health` and `/live`; only with the dialect `dynamo-worker`. Default: option `paths`. */
  paths?: PathOptions;
}

/** Paths of a Dynamo listener; they begin with `/` and are compared byte by byte. `/ready` stays. */
export interface PathOptions {
  /** Default `/health`. */
  health?: string;
  /** Default `/live`. */
  live?: string;
}

/** Options of `startHealth`. Every one with a plain value can also be set by its environment variable; see `docs/configuration.md`. */
export interface HealthOptions {
  /** Port of the one listener when `listeners` is not given. Default 8081. */
  port?: number;
  /** Address of that listener. Default: all interfaces, since kubelets probe the pod's address. */
  host?: string;
  dialect?: DialectName;
  details?: Details;
  listeners?: readonly ListenerOptions[];
  httpEngine?: 'auto' | 'uws' | 'http';
  /** `required` makes a missing addon an error; `off` forces the JavaScript fallback. */
  native?: 'auto' | 'off' | 'required';
  startupGraceMs?: number;
  degradedOk?: boolean;
  liveStallMs?: number;
  loopUnreadyMs?: number;
  stallStackAfterMs?: number;
  sampleHz?: number;
  perCore?: boolean;
  memory?: { degradedPercent?: number; unhealthyPercent?: number };
  gates?: readonly string[];
  aggregation?: 'documented' | 'worst';
  gpu?: GpuOptions;
  /**
   * What happens on a GPU fault that a running process cannot survive: `unready` (default) withdraws readiness,
   * `shutdown` also drains and exits, `ignore` only reports.
   */
  onGpuFailure?: 'shutdown' | 'unready' | 'ignore';
  /** `distinct` exits with 74 where a restart will not help; `standard` (default) with 1 on every failure. */
  exitCodes?: 'standard' | 'distinct';
  /** Endpoints that must be ready for the process to be ready. Default: every one that is declared. */
  requiredEndpoints?: readonly string[];
  /** What Dynamo listeners say while no endpoint is declared, and of required ones that are not. Default `notready`. */
  startingHealthStatus?: 'notready' | 'ready';
  /** Other paths for `/health` and `/live` of Dynamo listeners. */
  paths?: PathOptions;
  /** `shallow` makes `/live` of Dynamo listeners 503 only for what a restart cures; `documented` (default): as `/health`. */
  liveMode?: 'documented' | 'shallow';
  /** Test requests to served endpoints that are idle. Default false. */
  canary?: boolean | CanaryOptions;
  engineMonitor?: EngineMonitorOptions;
  /**
   * What happens when the inference engine is dead or stalled: `unready` (default) withdraws readiness, `shutdown` (default
   * where a `DYN_SYSTEM_*` variable is set) also drains and exits with 1, `ignore` only reports.
   */
  onEngineFailure?: 'shutdown' | 'unready' | 'ignore';
  shutdown?: boolean | ShutdownOptions;
  limits?: LimitsOptions;
  admin?: AdminOptions;
  /** Version of the application. Default: that of its package.json. */
  version?: string;
  /** Registry of the application, merged into `/metrics`. */
  registry?: MetricsRegistry;
  logger?: Logger;
  /** Aborting it closes the health service. */
  signal?: AbortSignal;
  /** Prefix of /proc and /sys. */
  root?: string;
}

export interface GpuOptions {
  /** `auto` (default): GPUs count where a driver is; `required`: none is unhealthy; `off`: not looked at. */
  mode?: 'auto' | 'off' | 'required';
  /** GPUs that this process uses: indices, UUIDs or their beginnings. Default: CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES, all. */
  devices?: readonly (number | string)[];
  /** Path of libnvidia-ml.so.1; default: where drivers put it. */
  library?: string;
  /** Path of the kernel log; default /dev/kmsg. */
  kmsg?: string;
  /** `process`: NVML is called in a helper process, which a driver that hangs keeps from ending instead of this one. Default `thread`. */
  isolation?: 'thread' | 'process';
  /** With `process`: path of the file that a helper writes which runs elsewhere, as in a sidecar container. Default: one is started. */
  segment?: string;
  /** By XID: another action, severity or threshold than the catalogue's; see `docs/xid.md`. */
  xids?: Readonly<Record<number, GpuAction | XidOverride>>;
  /** By finding code, as `gpu.memory_full`: another severity, or `ignore`. */
  findings?: Readonly<Record<string, GpuSeverity | 'ignore'>>;
}

export type ListenerConfig = {
  readonly dialect: DialectName;
  readonly details: Details;
  /** Of Dynamo listeners. */
  readonly paths?: DynamoPaths;
} & (
  | { readonly kind: 'tcp'; readonly host: string | null; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
);

/** Validated and frozen; plain data, because it crosses to the probe thread. */
export interface Config {
  readonly listeners: readonly ListenerConfig[];
  readonly httpEngine: 'auto' | 'uws' | 'http';
  readonly native: 'auto' | 'off' | 'required';
  readonly startupGraceMs: number;
  readonly degradedOk: boolean;
  readonly liveStallMs: number;
  readonly loopUnreadyMs: number;
  readonly stallStackAfterMs: number;
  readonly sampleHz: number;
  readonly perCore: boolean;
  readonly memoryDegradedPercent: number;
  readonly memoryUnhealthyPercent: number;
  readonly gates: readonly string[];
  readonly aggregation: 'documented' | 'worst';
  readonly gpu: {
    readonly mode: 'auto' | 'off' | 'required';
    readonly devices: readonly (number | string)[] | null;
    readonly library: string | null;
    readonly kmsg: string | null;
    readonly isolation: 'thread' | 'process';
    readonly segment: string | null;
    readonly xids: Readonly<Record<number, GpuAction | XidOverride>>;
    readonly findings: Readonly<Record<string, GpuSeverity | 'ignore'>>;
    readonly cudaVisibleDevices: string | null;
    readonly cudaDeviceOrder: string | null;
    readonly nvidiaVisibleDevices: string | null;
  };
  readonly onGpuFailure: 'shutdown' | 'unready' | 'ignore';
  readonly exitCodes: 'standard' | 'distinct';
  /** Empty: every declared endpoint. */
  readonly requiredEndpoints: readonly string[];
  readonly startingHealthStatus: 'notready' | 'ready';
  readonly liveMode: 'documented' | 'shallow';
  /** Null while it is off. */
  readonly canary: CanaryConfig | null;
  readonly engineMonitor: EngineMonitorConfig;
  readonly onEngineFailure: 'shutdown' | 'unready' | 'ignore';
  /** Null where no signal handler is asked for; `drain` is what any drain goes by. */
  readonly shutdown: ShutdownConfig | null;
  readonly drain: ShutdownConfig;
  readonly limits: LimitsConfig;
  /** Null where there is no admin listener. */
  readonly admin: AdminConfig | null;
  /** What is no error and still worth a line in the log. */
  readonly warnings: readonly string[];
  readonly version: string | null;
  readonly root: string;
}
