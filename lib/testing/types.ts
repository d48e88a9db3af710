/** What a scenario is: plain data that can be written to a file, read in a review, and replayed. */

/** Done by a proxy before the worker. */
export const NETWORK_FAULTS = [
  'tcp-reset',
  'half-open',
  'delay',
  'bandwidth',
  'slow-close',
  'truncate',
  'partition',
] as const;

export const FAULT_NAMES = [
  'sigkill',
  'sigstop',
  'sigcont',
  'sigterm',
  'engine-hang',
  'engine-kill',
  'gpu-xid',
  ...NETWORK_FAULTS,
  'etcd-kill',
  'etcd-leader-kill',
  'etcd-pause',
  'etcd-no-quorum',
  'etcd-compact',
  'etcd-wipe',
  'nats-kill',
  'nats-pause',
] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

/** Who of several: seeded, so that a scenario picks the same ones again. */
export const SELECTORS = ['any-worker', 'busiest-worker', 'every-worker'] as const;

export interface Fault {
  /** After the beginning of the load, milliseconds. */
  readonly atMs: number;
  readonly fault: FaultName;
  /** Name of a process, or `any-worker`, `busiest-worker`, `every-worker`. Not for faults of etcd and NATS. */
  readonly target?: string;
  /** How long it lasts; without, it ends with the scenario, or by itself. */
  readonly forMs?: number;
  /** Again so long after its beginning … */
  readonly everyMs?: number;
  /** … so many times in all. Default: to the end of the scenario. */
  readonly times?: number;
  /** Waits until so many others than the target serve. */
  readonly leaves?: number;
  /** With `every-worker`: one after the other, each when the one before serves again. */
  readonly inTurn?: boolean;
  /** Of network faults: which connections of the target. Default `frontend`, those that frontends have to it. */
  readonly link?: 'frontend' | 'etcd' | 'nats';
  /** Of `delay` and `slow-close`. Default 200. */
  readonly delayMs?: number;
  /** Of `truncate`: so many more bytes of the answer arrive. Default 0. */
  readonly bytes?: number;
  /** Of `bandwidth`. Default 1000. */
  readonly bytesPerSecond?: number;
  /** Of `gpu-xid`. Default 79 on GPU 0. */
  readonly xid?: number;
  readonly gpu?: number;
}

export interface WorkerSpec {
  /** Default `worker-0`, `worker-1` … */
  readonly name?: string;
  /**
   * `toy`: tokens are a hash of all before them, so that a lost, doubled or wrong one shows; starts in a quarter of a second.
   * `llama`: `inference-health worker`, llama.cpp in a child process; needs the package node-llama-cpp. Default `toy`.
   */
  readonly engine?: 'toy' | 'llama';
  /** Of `llama`: a GGUF file. Default: a tiny one, made for the run. */
  readonly model?: string;
  /** Of `toy`: time of a token. Default 10. */
  readonly tokenMs?: number;
  /** Of `llama`: requests that are computed together. Default 8. */
  readonly sequences?: number;
  /** More flags of `inference-health worker`. */
  readonly args?: readonly string[];
  /** Instead of `engine`: any program with a worker's API; `{port}` and `{name}` in it are filled in. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Added to the priority of its processes, 0 to 19: on a fleet of machines an engine takes no core from the others. Default 0. */
  readonly nice?: number;
  /** GPUs of a fake driver that it sees; needs the option `fakeGpu` of the run. */
  readonly gpus?: number;
}

export interface FrontendSpec {
  readonly name?: string;
  /** Flags of `inference-health frontend`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface FleetSpec {
  /** So many like the one of `worker`, or each by itself. Default 3. */
  readonly workers?: number | readonly WorkerSpec[];
  /** What all workers have in common. */
  readonly worker?: WorkerSpec;
  /** Default 1. */
  readonly frontends?: number | readonly FrontendSpec[];
  /** What all frontends have in common. */
  readonly frontend?: FrontendSpec;
  /** Members: 1, 3 or 5. Default none: frontends are given the list of workers. */
  readonly etcd?: number;
  /** Seconds of a worker's lease. Default 10. */
  readonly leaseTtlSeconds?: number;
  readonly nats?: boolean;
  /** Whether what has ended is started anew at the same port, as Kubernetes does. Default true. */
  readonly restart?: boolean;
  /** After how long. Default 0. */
  readonly restartDelayMs?: number;
}

export interface LoadSpec {
  /** Closed loop: so many clients, each with its next stream when the last one has ended. Default 8. */
  readonly streams?: number;
  /** Open loop instead: so many new streams a second, whatever becomes of the others. */
  readonly perSecond?: number;
  /** Different prompts. Default 8. */
  readonly prompts?: number;
  /** Tokens of each. Default 100. */
  readonly tokens?: number;
}

/** What must hold; what is not given is not judged. Milliseconds. */
export interface Bounds {
  /** Least streams. */
  readonly streams?: number;
  /** Least choices moved. */
  readonly moved?: number;
  readonly differed?: number;
  readonly failed?: number;
  readonly rejected?: number;
  readonly rejectedWithoutRetryAfter?: number;
  readonly successRatio?: number;
  readonly stallP50Ms?: number;
  readonly stallP99Ms?: number;
  readonly stallMaxMs?: number;
  /** From a fault to the move of each stream. */
  readonly detectionP99Ms?: number;
  readonly detectionMaxMs?: number;
  /** Workers that ended without a fault that ends them. */
  readonly strayExits?: number;
}

export interface Scenario {
  readonly name?: string;
  /** Of all that is random. Default 1. */
  readonly seed?: number;
  readonly fleet?: FleetSpec;
  readonly load?: LoadSpec;
  readonly faults?: readonly Fault[];
  /** How long new streams begin; those that run then are waited for. */
  readonly forMs: number;
  readonly bounds?: Bounds;
}
