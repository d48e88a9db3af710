/** Mirror of `native/snapshot/gpu_layout.h`: slot names in slot order. A test compares it with what the addon reports. */
/** Section `gpu`: the driver and the threads that ask it. */
export const GPU_FIELDS = [
  'observedAtMs',
  'state',
  'noneReason',
  'lastReturn',
  'count',
  'inventoryCount',
  'generation',
  'cudaVersion',
  'initDurationMs',
  'stuckSinceMs',
  'stuckCall',
  'stuckGpu',
  'replacementThreads',
  'versionMismatch',
  'deviceAccess',
  'kmsgState',
  'kmsgGaps',
  'kmsgRecords',
  'kmsgMalformed',
  'kmsgXids',
  'watchdogLines',
  'eventState',
  'eventsReceived',
  'eventErrors',
  'eventRebuilds',
  'eventBackoffMs',
  'lastEventAtMs',
  'fastAtMs',
  'mediumAtMs',
  'slowAtMs',
  'fastDurationMs',
  'mediumDurationMs',
  'slowDurationMs',
  'fastIntervalMs',
  'mediumIntervalMs',
  'slowIntervalMs',
  'xidRows',
  'xidOverflow',
  'ownPid',
  'deadlineMs',
  'restartBlocked',
  'helperState',
  'helperPid',
  'helperRestarts',
] as const;

/** A row of section `gpus`: one GPU or MIG device. */
export const GPUS_FIELDS = [
  'present',
  'lost',
  'lastReturn',
  'index',
  'isMig',
  'parentSlot',
  'gpuInstance',
  'computeInstance',
  'lostSinceMs',
  'returnedAtMs',
  'stuck',
  'fastAtMs',
  'mediumAtMs',
  'slowAtMs',
  'memTotalBytes',
  'memUsedBytes',
  'memFreeBytes',
  'memReservedBytes',
  'utilGpuPercent',
  'utilMemPercent',
  'powerMw',
  'powerLimitMw',
  'temperatureC',
  'memTemperatureC',
  'slowdownTemperatureC',
  'marginC',
  'smClockMhz',
  'memClockMhz',
  'clockReasons',
  'pState',
  'eccMode',
  'eccVolatileUncorrected',
  'eccAggregateUncorrected',
  'eccVolatileCorrected',
  'eccAggregateCorrected',
  'sramThresholdExceeded',
  'remapCorrected',
  'remapUncorrected',
  'remapPending',
  'remapFailed',
  'retiredPending',
  'pcieReplay',
  'pcieGeneration',
  'pcieWidth',
  'pcieMaxWidth',
  'pcieTxKbps',
  'pcieRxKbps',
  'nvlinkCount',
  'nvlinkDown',
  'nvlinkErrors',
  'recoveryAction',
  'powerViolationNs',
  'thermalViolationNs',
  'swThermalSlowdownNs',
  'hwThermalSlowdownNs',
  'hwSlowdownNs',
  'processCount',
  'ownMemoryBytes',
  'migMode',
  'supportedEvents',
  'fabricState',
  'fabricStatus',
  'fabricHealth',
  'fabricHealthSummary',
  'eventSingleBitEcc',
  'eventDoubleBitEcc',
  'eventSingleBitStorm',
  'eventRetirement',
  'eventRetirementFailure',
  'eventNonFatalPoison',
  'eventFatalPoison',
  'eventUnavailable',
  'eventRecoveryAction',
  'eventMigConfig',
  'eventDoubleBitEccAtMs',
  'eventFatalPoisonAtMs',
  'eventUnavailableAtMs',
  'eventRecoveryActionAtMs',
] as const;

/** A row of section `xids`; see `native/snapshot/gpu_layout.h` for what they mean. */
export const XID_FIELDS = [
  'gpuSlot',
  'xid',
  'isSxid',
  'busId',
  'gpuInstance',
  'computeInstance',
  'count',
  'nvmlCount',
  'kmsgCount',
  'firstAtMs',
  'lastAtMs',
  'sources',
  'pid',
  'otherPids',
  'ownCount',
  'ownAtMs',
  'toAction',
  'resetFlag',
  'severity',
  'nvlinkUnit',
  'nvlinkErrorStatus',
  'nvlinkIntrInfo',
] as const;

/** A row of section `gpuCalls`, one for each function of the driver, in the order of `layout().calls`. */
export const GPU_CALL_FIELDS = [
  'available',
  'calls',
  'errors',
  'lastReturn',
  'lastUs',
  'maxUs',
  'sumUs',
  'le1',
  'le2',
  'le5',
  'le10',
  'le20',
  'le50',
  'le100',
  'le200',
  'le500',
  'le1000',
  'le2000',
  'le5000',
  'le10000',
  'le20000',
  'le50000',
  'le100000',
  'le200000',
  'le500000',
  'le1000000',
  'le5000000',
  'more',
] as const;

/** Rows of each section. */
export const MAX_GPUS = 64;
export const MAX_XID_ROWS = 256;

/** Upper bounds of the buckets of a call's latency in microseconds; one more bucket holds the rest. */
export const CALL_BUCKETS_US = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
  1_000_000, 5_000_000,
] as const;

/** Values of `gpu.state`, by number. */
export const GPU_STATES = ['off', 'none', 'starting', 'ok', 'unresponsive', 'released'] as const;

/** Values of `gpu.noneReason`, by number; the first is "no reason". */
export const GPU_NONE_REASONS = [
  null,
  'library_missing',
  'driver_not_loaded',
  'no_device_nodes',
  'version_mismatch',
  'access_lost',
  'init_failed',
] as const;

/** Values of `gpu.kmsgState`, by number. */
export const KMSG_STATES = ['off', 'reading', 'no_permission', 'missing'] as const;

/** Values of `gpu.eventState`, by number. */
export const EVENT_STATES = ['off', 'waiting', 'unsupported', 'backing_off', 'stuck'] as const;

/** Values of `gpu.helperState`, by number. */
export const HELPER_STATES = ['not_used', 'running', 'ended', 'cannot_start', 'stuck', 'stopped'] as const;

/** Bits of a row's `sources`. */
export const XID_SOURCES = { nvml: 1, kmsg: 2, field230: 4, handleProbe: 8 } as const;

/** Values of a row's `nvlinkUnit`, by number; the first is "not said". */
export const NVLINK_UNITS = [
  '',
  'SAW_MVB',
  'RLW_REMAP',
  'RLW_RSPCOL',
  'RLW_RXPIPE',
  'RLW_SRC_TRACK',
  'RLW_TAGSTATE',
  'TLW_CTRL',
  'TLW_RX',
  'TLW_TX',
  'TREX',
  'NVLPW',
  'NETIR_INT',
  'NETIR_LINK_EVT',
  'NETIR_BER',
  'NETIR_MFDE',
  'MSE',
] as const;

type Index<Fields extends readonly string[]> = { readonly [Field in Fields[number]]: number };

function indexOf<Fields extends readonly string[]>(fields: Fields): Index<Fields> {
  return Object.freeze(Object.fromEntries(fields.map((field, index) => [field, index]))) as Index<Fields>;
}

/** Slot index by field name. */
export const GPU = indexOf(GPU_FIELDS);
export const GPUS = indexOf(GPUS_FIELDS);
export const XID = indexOf(XID_FIELDS);
export const GPU_CALL = indexOf(GPU_CALL_FIELDS);
