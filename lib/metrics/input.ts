/**
 * All that one scrape of `/metrics` needs, as plain data: the probe thread fills it and posts it to the agent thread.
 * Times are monotonic milliseconds. NaN, null and a missing key all mean "not known": such a sample is left out, never 0.
 */
export interface MetricsInput {
  /** When this input was taken; ages are counted from here. */
  readonly nowMs: number;
  readonly build: BuildInput;
  readonly state: StateInput;
  readonly components: readonly ComponentInput[];
  /** Copy of the native section `host`, indexed as `HOST_FIELDS`; null before the first sample. */
  readonly host: Float64Array | null;
  /** Busy ratio of each core, 0 to 1; only with per-core sampling. */
  readonly cores?: Float64Array;
  /** Null where no GPU is looked at. */
  readonly gpu: GpuInput | null;
  readonly loop: LoopInput | null;
  readonly requests: RequestsInput | null;
  readonly load: LoadInput | null;
  /** Of a worker's connection to NATS; null where there is to be none. */
  readonly events: EventsInput | null;
  /** Test requests of all endpoints since start, by outcome; null where none are sent. */
  readonly canary: Readonly<Record<string, number>> | null;
  /** Only for Dynamo listeners. */
  readonly dynamo?: DynamoInput | null;
  readonly probe: ProbeInput;
  /** How often a dead probe thread was replaced; the main thread counts it. */
  readonly probeThreadReplacements: number;
}

export interface EventsInput {
  readonly isConnected: boolean;
  readonly reconnects: number;
  readonly sent: number;
  readonly dropped: number;
}

export interface BuildInput {
  /** Version of inference-health. */
  readonly version: string;
  /** Whether the native addon is loaded. */
  readonly native: boolean;
  readonly httpEngine: string;
  /** `process.version`. */
  readonly node: string;
}

export interface StateInput {
  readonly live: boolean;
  readonly ready: boolean;
  /** One of `PHASES`. */
  readonly phase: string;
  /** Status of the whole: one of `STATUSES`. */
  readonly status: string;
}

export interface ComponentInput {
  readonly name: string;
  /** One of `STATUSES`. */
  readonly status: string;
  /** When its fact was observed. */
  readonly observedAtMs: number;
}

export interface GpuInput {
  readonly devices: readonly GpuDeviceInput[];
  readonly findings: readonly GpuFindingInput[];
  /** Null while nothing withdraws readiness. */
  readonly restartHelps: boolean | null;
  readonly xids: readonly GpuXidInput[];
  /** XIDs that were seen but are in none of them. */
  readonly xidsDropped: number;
  /** Functions of the driver that have been called. */
  readonly calls: readonly GpuCallInput[];
}

/** One GPU or MIG device. */
export interface GpuDeviceInput {
  readonly uuid: string;
  readonly index: number;
  readonly model: string | null;
  readonly present: boolean;
  readonly used: boolean;
  /** When memory, utilization, temperature and power were read. */
  readonly sampledAtMs: number | null;
  readonly memUsedBytes: number | null;
  readonly memTotalBytes: number | null;
  /** 0 to 100. */
  readonly utilGpuPercent: number | null;
  readonly temperatureC: number | null;
  readonly powerMw: number | null;
  readonly eccVolatileUncorrected: number | null;
  readonly recoveryAction: number | null;
}

export interface GpuFindingInput {
  readonly code: string;
  /** Null where it concerns the driver or all GPUs. */
  readonly uuid: string | null;
  readonly index: number | null;
}

export interface GpuXidInput {
  /** Null where the driver never listed the GPU. */
  readonly uuid: string | null;
  readonly index: number | null;
  readonly xid: number;
  /** An NVSwitch's. */
  readonly isSxid: boolean;
  readonly count: number;
}

export interface GpuCallInput {
  /** Name of the function in the driver's library. */
  readonly call: string;
  readonly count: number;
  readonly sumMs: number;
}

export interface LoopInput {
  /** For how long the loop has been in its present iteration; 0 while it waits. */
  readonly busyMs: number;
  readonly longestStallMs: number;
  readonly stallCount: number;
  readonly stallTotalMs: number;
  /** Of the last interval, 0 to 1. */
  readonly utilization: number;
  readonly iterations: number;
}

export interface RequestsInput {
  readonly active: number;
  /** Requests that ended, failed ones included, since start. */
  readonly total: number;
  readonly failed: number;
  readonly tokens: number;
  /** Null when durations are not collected. */
  readonly durations: HistogramInput | null;
}

export interface DynamoInput {
  readonly uptimeMs: number;
}

export interface LoadInput {
  readonly admitted: number;
  readonly queued: number;
  /** Null without limits. */
  readonly maxConcurrent: number | null;
  readonly maxQueue: number | null;
  /** NaN before the first report. */
  readonly reportedAtMs: number;
  /** What the application reports of its engine; NaN where it does not. */
  readonly figures: {
    readonly running: number;
    readonly waiting: number;
    readonly kvBlocksUsed: number;
    readonly kvBlocksTotal: number;
    readonly prefillTokens: number;
  };
  /** By reason. */
  readonly rejections: Readonly<Record<string, number>>;
}

export interface HistogramInput {
  /** Upper bounds of the buckets in milliseconds, rising, without infinity. */
  readonly boundsMs: Float64Array;
  /** Observations in each bucket alone (not cumulative); one slot more than `boundsMs`, for everything above. */
  readonly counts: Float64Array;
  readonly sumMs: number;
}

/** What `ProbeHistogram.snapshot()` returns, and the open connections. */
export interface ProbeInput {
  readonly routes: readonly string[];
  /** Answers by route and status class: slot `route × 5 + class − 1`. */
  readonly counts: Float64Array;
  readonly durations: readonly HistogramInput[];
  readonly connections: number;
}

export const STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;
export const PHASES = ['starting', 'serving', 'draining', 'stopped', 'failed'] as const;
