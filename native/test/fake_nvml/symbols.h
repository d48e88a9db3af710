/* Every symbol of the fake, in the order of the rules in the control file (rule 0 is `*`). From which driver on each is
 * exported is said where it is defined, by SINCE_…. */
#pragma once

#define FAKE_SYMBOLS(X) \
  X(nvmlInit_v2) \
  X(nvmlInitWithFlags) \
  X(nvmlShutdown) \
  X(nvmlErrorString) \
  X(nvmlSystemGetDriverVersion) \
  X(nvmlSystemGetNVMLVersion) \
  X(nvmlSystemGetCudaDriverVersion) \
  X(nvmlSystemGetCudaDriverVersion_v2) \
  X(nvmlSystemGetProcessName) \
  X(nvmlDeviceGetCount_v2) \
  X(nvmlDeviceGetHandleByIndex_v2) \
  X(nvmlDeviceGetHandleByUUID) \
  X(nvmlDeviceGetHandleByUUIDV) \
  X(nvmlDeviceGetHandleByPciBusId_v2) \
  X(nvmlDeviceGetHandleBySerial) \
  X(nvmlDeviceGetIndex) \
  X(nvmlDeviceGetName) \
  X(nvmlDeviceGetUUID) \
  X(nvmlDeviceGetSerial) \
  X(nvmlDeviceGetMinorNumber) \
  X(nvmlDeviceGetPciInfo_v3) \
  X(nvmlDeviceGetPciInfoExt) \
  X(nvmlDeviceGetPersistenceMode) \
  X(nvmlDeviceGetMemoryInfo) \
  X(nvmlDeviceGetMemoryInfo_v2) \
  X(nvmlDeviceGetBAR1MemoryInfo) \
  X(nvmlDeviceGetUtilizationRates) \
  X(nvmlDeviceGetTemperature) \
  X(nvmlDeviceGetTemperatureV) \
  X(nvmlDeviceGetTemperatureThreshold) \
  X(nvmlDeviceGetMarginTemperature) \
  X(nvmlDeviceGetPowerUsage) \
  X(nvmlDeviceGetEnforcedPowerLimit) \
  X(nvmlDeviceGetPowerManagementLimit) \
  X(nvmlDeviceGetTotalEnergyConsumption) \
  X(nvmlDeviceGetCurrentClocksThrottleReasons) \
  X(nvmlDeviceGetCurrentClocksEventReasons) \
  X(nvmlDeviceGetClockInfo) \
  X(nvmlDeviceGetMaxClockInfo) \
  X(nvmlDeviceGetPerformanceState) \
  X(nvmlDeviceGetViolationStatus) \
  X(nvmlDeviceGetEccMode) \
  X(nvmlDeviceGetTotalEccErrors) \
  X(nvmlDeviceGetMemoryErrorCounter) \
  X(nvmlDeviceGetSramEccErrorStatus) \
  X(nvmlDeviceGetRetiredPages) \
  X(nvmlDeviceGetRetiredPages_v2) \
  X(nvmlDeviceGetRetiredPagesPendingStatus) \
  X(nvmlDeviceGetRemappedRows) \
  X(nvmlDeviceGetRemappedRows_v2) \
  X(nvmlDeviceGetRowRemapperHistogram) \
  X(nvmlDeviceGetRepairStatus) \
  X(nvmlDeviceGetUnrepairableMemoryFlag_v1) \
  X(nvmlDeviceGetGpuFabricInfo) \
  X(nvmlDeviceGetGpuFabricInfoV) \
  X(nvmlDeviceGetNvLinkState) \
  X(nvmlDeviceGetNvLinkVersion) \
  X(nvmlDeviceGetNvLinkErrorCounter) \
  X(nvmlDeviceGetNvLinkRemoteDeviceType) \
  X(nvmlDeviceGetPcieReplayCounter) \
  X(nvmlDeviceGetPcieThroughput) \
  X(nvmlDeviceGetCurrPcieLinkGeneration) \
  X(nvmlDeviceGetCurrPcieLinkWidth) \
  X(nvmlDeviceGetMaxPcieLinkGeneration) \
  X(nvmlDeviceGetMaxPcieLinkWidth) \
  X(nvmlDeviceGetComputeRunningProcesses) \
  X(nvmlDeviceGetComputeRunningProcesses_v2) \
  X(nvmlDeviceGetComputeRunningProcesses_v3) \
  X(nvmlDeviceGetGraphicsRunningProcesses_v3) \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v3) \
  X(nvmlDeviceGetRunningProcessDetailList) \
  X(nvmlDeviceGetProcessUtilization) \
  X(nvmlDeviceGetProcessesUtilizationInfo) \
  X(nvmlDeviceGetMigMode) \
  X(nvmlDeviceGetMaxMigDeviceCount) \
  X(nvmlDeviceGetMigDeviceHandleByIndex) \
  X(nvmlDeviceIsMigDeviceHandle) \
  X(nvmlDeviceGetGpuInstanceId) \
  X(nvmlDeviceGetComputeInstanceId) \
  X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle) \
  X(nvmlDeviceGetAttributes_v2) \
  X(nvmlDeviceGetFieldValues) \
  X(nvmlEventSetCreate) \
  X(nvmlEventSetFree) \
  X(nvmlEventSetWait_v2) \
  X(nvmlDeviceGetSupportedEventTypes) \
  X(nvmlDeviceRegisterEvents) \
  X(nvmlSystemEventSetCreate) \
  X(nvmlSystemEventSetFree) \
  X(nvmlSystemRegisterEvents) \
  X(nvmlSystemEventSetWait)

enum {
  SYM_any = 0,
#define FAKE_SYMBOL(name) SYM_##name,
  FAKE_SYMBOLS(FAKE_SYMBOL)
#undef FAKE_SYMBOL
  SYM_count
};
