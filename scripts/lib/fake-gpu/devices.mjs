// What a fake GPU looks like before anyone steers it: a healthy H100 in the middle of serving.
const GIB = 2 ** 30;

/** Event bits that a driver of this age says it can deliver. @param {number} driver */
function supportedEvents(driver) {
  // ECC, XID, clocks, power source, MIG, storm, retirement; the poison, unavailable and recovery bits are younger.
  return driver >= 570 ? 0xffbf : driver >= 550 ? 0x3f9f : 0x19f;
}

/** @param {number} slot */
export const uuidOf = (slot) => `GPU-fa4e0000-0000-4000-8000-${slot.toString(16).padStart(12, '0')}`;
/** @param {number} slot */
export const migUuidOf = (slot) => `MIG-fa4e0000-0000-4000-9000-${slot.toString(16).padStart(12, '0')}`;

/** Fields and texts of a GPU in a slot. @param {number} slot @param {number} driver */
export function defaultGpu(slot, driver) {
  const isNew = driver >= 570;
  return {
    uuid: uuidOf(slot),
    name: 'NVIDIA H100 80GB HBM3',
    serial: `16500${(23000000 + slot).toString()}`,
    ...{ kind: 1, present: 1, returnCode: 0, parent: -1 },
    ...{ migMode: 0, migPendingMode: 0, migMaxCount: 7, migIndex: 0, gpuInstance: 0, computeInstance: 0 },
    ...{
      pciDomain: 0,
      pciBus: 0x0f + slot * 4,
      pciDevice: 0,
      pciDeviceId: 0x233010de,
      pciSubSystemId: 0x16c110de,
    },
    ...{ minor: slot, persistenceMode: 1 },
    ...{ memTotalBytes: 80 * GIB, memReservedBytes: 600 * 2 ** 20, memUsedBytes: 24 * GIB },
    ...{ bar1TotalBytes: 128 * GIB, bar1UsedBytes: 2 * 2 ** 20, utilGpuPercent: 35, utilMemPercent: 20 },
    ...{
      temperatureC: 45,
      memTemperatureC: 52,
      marginC: 42,
      shutdownC: 92,
      slowdownC: 87,
      memMaxC: 95,
      gpuMaxC: 87,
    },
    ...{ powerMw: 310_000, powerInstantMw: 312_000, powerLimitMw: 700_000, powerManagementLimitMw: 700_000 },
    ...{ energyMj: 1_000_000, clockReasons: 0, pState: 0 },
    ...{ graphicsClockMhz: 1980, smClockMhz: 1980, memClockMhz: 2619, videoClockMhz: 1545 },
    ...{ maxGraphicsClockMhz: 1980, maxSmClockMhz: 1980, maxMemClockMhz: 2619, maxVideoClockMhz: 1545 },
    ...{
      eccMode: 1,
      eccPendingMode: 1,
      retiredSingleBit: null,
      retiredDoubleBit: null,
      retiredPending: null,
    },
    ...{ histogramMax: 640, histogramHigh: 0, histogramPartial: 0, histogramLow: 0, histogramNone: 0 },
    ...{ fabricState: 3, fabricStatus: 0, fabricClique: 1, fabricHealthMask: 0xaa, fabricHealthSummary: 1 },
    ...{ nvlinkCount: 18, nvlinkDownMask: 0, nvlinkVersion: 4, nvlinkErrorLink: 0 },
    ...{
      pcieGeneration: 5,
      pcieMaxGeneration: 5,
      pcieWidth: 16,
      pcieMaxWidth: 16,
      pcieTxKbps: 1000,
      pcieRxKbps: 1000,
    },
    ...{ recoveryAction: isNew ? 0 : null, supportedEvents: supportedEvents(driver), processCount: 0 },
  };
}

/** Fields and texts of a MIG device. @param {number} slot @param {number} parent @param {number} index */
export function defaultMig(slot, parent, index) {
  return {
    uuid: migUuidOf(slot),
    name: 'NVIDIA H100 80GB HBM3 MIG 1g.10gb',
    ...{ kind: 2, present: 1, parent, migIndex: index, gpuInstance: 7 + index, computeInstance: 0 },
    ...{ memTotalBytes: 10 * GIB, memReservedBytes: 2 ** 20, memUsedBytes: GIB },
    ...{ utilGpuPercent: null, temperatureC: null, powerMw: null, remapPending: null, nvlinkCount: 0 },
    supportedEvents: 0,
  };
}
