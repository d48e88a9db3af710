/** What the GPU threads know at one moment, as plain data. Times are monotonic milliseconds; null = not known. */
export interface GpuFacts {
  readonly atMs: number;
  readonly state: GpuDriverState;
  /** Why `state` is `none`. */
  readonly noneReason: GpuNoneReason | null;
  /** Changes whenever the library was initialised anew or handles were taken again. */
  readonly generation: number;
  /** GPUs (not MIG devices) that the driver enumerates now, and the most it has enumerated since the start. */
  readonly count: number | null;
  readonly inventoryCount: number | null;
  /** As the driver says it, for example `595.45.04`. */
  readonly driverVersion: string | null;
  /** The library on disk belongs to another driver version than the one loaded: running contexts go on, new ones fail. */
  readonly libraryMismatch: boolean | null;
  /** Opening a device node is refused, as after a daemon reload rewrote the container's device rules. */
  readonly accessLost: boolean | null;
  /** Since when a driver call has not returned, and its name. */
  readonly stuckSinceMs: number | null;
  readonly stuckCall: string | null;
  /** This process, or its container, cannot end until that call returns. */
  readonly restartBlocked?: boolean;
  /** The helper process that asks the driver; absent where threads of this process do. */
  readonly helper?: GpuHelperState;
  /** Process ids of this process and its engine children, as the kernel log writes them. */
  readonly ownPids: readonly number[];
  /** False in a container with a pid namespace of its own: a foreign pid then proves nothing. */
  readonly pidsComparable: boolean;
  readonly gpus: readonly GpuDeviceFacts[];
  readonly xids: readonly XidFacts[];
}

export type GpuDriverState = 'off' | 'none' | 'starting' | 'ok' | 'unresponsive' | 'released';

export type GpuHelperState = 'running' | 'ended' | 'cannot_start' | 'stuck' | 'stopped';

export type GpuNoneReason =
  | 'library_missing'
  | 'driver_not_loaded'
  | 'no_device_nodes'
  | 'version_mismatch'
  | 'access_lost'
  | 'init_failed';

/** One GPU, or one MIG device. */
export interface GpuDeviceFacts {
  readonly uuid: string;
  /** Position in the driver's enumeration; it may change when a GPU vanishes. */
  readonly index: number;
  readonly name: string | null;
  readonly isMig: boolean;
  /** UUID of the GPU that a MIG device is part of. */
  readonly parentUuid: string | null;
  /** Enumerated by the driver now. */
  readonly present: boolean;
  /** The driver says that it is lost, or the kernel said that it fell off the bus. */
  readonly lost: boolean;
  /** Return code of the latest probe of its handle; 0 is success. */
  readonly lastReturn: number | null;
  /** When the tiers were last read. */
  readonly fastAtMs: number | null;
  readonly mediumAtMs: number | null;
  readonly slowAtMs: number | null;

  readonly memTotalBytes: number | null;
  readonly memUsedBytes: number | null;
  /** 0 to 100. */
  readonly utilGpuPercent: number | null;
  readonly powerMw: number | null;
  readonly powerLimitMw: number | null;
  readonly temperatureC: number | null;
  /** Bit mask as in NVML's clock event reasons. */
  readonly clockReasons: number | null;

  readonly eccVolatileUncorrected: number | null;
  readonly eccVolatileCorrected: number | null;
  readonly sramThresholdExceeded: boolean | null;
  readonly remapPending: boolean | null;
  readonly remapFailed: boolean | null;
  readonly retiredPending: boolean | null;
  readonly pcieReplay: number | null;
  readonly pcieWidth: number | null;
  readonly pcieMaxWidth: number | null;
  readonly nvlinkCount: number | null;
  readonly nvlinkDown: number | null;
  /** Sum of the error counters of all links. */
  readonly nvlinkErrors: number | null;
  /** 0 not supported, 1 not started, 2 in progress, 3 completed. */
  readonly fabricState: number | null;
  /** Return code of the registration; meaningful once completed. */
  readonly fabricStatus: number | null;
  /** NVML's fabric health mask. */
  readonly fabricHealth: number | null;
  /** When NVML last reported these events (bits 0x2, 0x2000, 0x4000). */
  readonly doubleBitEccAtMs: number | null;
  readonly fatalPoisonAtMs: number | null;
  readonly unavailableAtMs: number | null;
  /** NVML field 230. */
  readonly recoveryAction: number | null;
  /** Nanoseconds spent throttled since the driver loaded the GPU. */
  readonly powerViolationNs: number | null;
  readonly thermalViolationNs: number | null;
  /** Hardware slowdown and power brake together. */
  readonly hwSlowdownNs: number | null;

  readonly processCount: number | null;
  readonly ownMemoryBytes: number | null;
}

/** All that was seen of one XID on one GPU, however often and from whichever source. */
export interface XidFacts {
  /** Null where the line named a GPU that the driver never enumerated. */
  readonly uuid: string | null;
  readonly xid: number;
  /** An NVSwitch's SXid; `uuid` is then null. */
  readonly isSxid: boolean;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** Bit mask: 1 NVML event, 2 kernel log, 4 field 230, 8 handle probe. */
  readonly sources: number;
  /** Process id in the latest kernel line. */
  readonly pid: number | null;
  /** How many of them named this process. */
  readonly ownCount: number;
  /** Action that Xid 154 changed to. */
  readonly toAction: number | null;
  /** The kernel's line says "Fatal" (true) or "Nonfatal" (false), as Xids 144 to 150 do. */
  readonly fatal: boolean | null;
}

/** A device about which nothing is known yet; tests and readers fill in what they have. */
export function emptyDevice(uuid: string, index: number): GpuDeviceFacts {
  return {
    uuid,
    index,
    name: null,
    isMig: false,
    parentUuid: null,
    present: true,
    lost: false,
    lastReturn: null,
    fastAtMs: null,
    mediumAtMs: null,
    slowAtMs: null,
    memTotalBytes: null,
    memUsedBytes: null,
    utilGpuPercent: null,
    powerMw: null,
    powerLimitMw: null,
    temperatureC: null,
    clockReasons: null,
    eccVolatileUncorrected: null,
    eccVolatileCorrected: null,
    sramThresholdExceeded: null,
    remapPending: null,
    remapFailed: null,
    retiredPending: null,
    pcieReplay: null,
    pcieWidth: null,
    pcieMaxWidth: null,
    nvlinkCount: null,
    nvlinkDown: null,
    nvlinkErrors: null,
    fabricState: null,
    fabricStatus: null,
    fabricHealth: null,
    doubleBitEccAtMs: null,
    fatalPoisonAtMs: null,
    unavailableAtMs: null,
    recoveryAction: null,
    powerViolationNs: null,
    thermalViolationNs: null,
    hwSlowdownNs: null,
    processCount: null,
    ownMemoryBytes: null,
  };
}
