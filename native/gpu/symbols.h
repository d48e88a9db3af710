// Every function of NVML that we look up, by the name in the ELF symbol table: the unversioned names of NVML's header are
// macros for these. All of them may be missing; drivers differ by ten years.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "gpu/nvml_abi.h"

// X(identifier, ELF name, parameters). The last two are our own ways into the driver: they are timed, counted and watched
// like the others because they can block like the others.
#define INFERENCE_HEALTH_NVML_SYMBOLS(X)                                                                      \
  X(init, "nvmlInit_v2", ())                                                                                  \
  X(shutdown, "nvmlShutdown", ())                                                                             \
  X(driver_version, "nvmlSystemGetDriverVersion", (char*, std::uint32_t))                                     \
  X(nvml_version, "nvmlSystemGetNVMLVersion", (char*, std::uint32_t))                                         \
  X(cuda_version, "nvmlSystemGetCudaDriverVersion", (int*))                                                   \
  X(cuda_version_v2, "nvmlSystemGetCudaDriverVersion_v2", (int*))                                             \
  X(count, "nvmlDeviceGetCount_v2", (std::uint32_t*))                                                         \
  X(handle_by_index, "nvmlDeviceGetHandleByIndex_v2", (std::uint32_t, Device*))                               \
  X(handle_by_uuid, "nvmlDeviceGetHandleByUUID", (const char*, Device*))                                      \
  X(name, "nvmlDeviceGetName", (Device, char*, std::uint32_t))                                                \
  X(uuid, "nvmlDeviceGetUUID", (Device, char*, std::uint32_t))                                                \
  X(pci_info, "nvmlDeviceGetPciInfo_v3", (Device, PciInfo*))                                                  \
  X(memory_v2, "nvmlDeviceGetMemoryInfo_v2", (Device, MemoryV2*))                                             \
  X(memory, "nvmlDeviceGetMemoryInfo", (Device, Memory*))                                                     \
  X(utilization, "nvmlDeviceGetUtilizationRates", (Device, Utilization*))                                     \
  X(temperature, "nvmlDeviceGetTemperature", (Device, int, std::uint32_t*))                                   \
  X(temperature_threshold, "nvmlDeviceGetTemperatureThreshold", (Device, int, std::uint32_t*))                \
  X(margin_temperature, "nvmlDeviceGetMarginTemperature", (Device, MarginTemperature*))                       \
  X(power, "nvmlDeviceGetPowerUsage", (Device, std::uint32_t*))                                               \
  X(power_limit, "nvmlDeviceGetEnforcedPowerLimit", (Device, std::uint32_t*))                                 \
  X(clock, "nvmlDeviceGetClockInfo", (Device, int, std::uint32_t*))                                           \
  X(clock_reasons, "nvmlDeviceGetCurrentClocksEventReasons", (Device, std::uint64_t*))                        \
  X(throttle_reasons, "nvmlDeviceGetCurrentClocksThrottleReasons", (Device, std::uint64_t*))                  \
  X(performance_state, "nvmlDeviceGetPerformanceState", (Device, int*))                                       \
  X(violation, "nvmlDeviceGetViolationStatus", (Device, int, Violation*))                                     \
  X(ecc_mode, "nvmlDeviceGetEccMode", (Device, int*, int*))                                                   \
  X(ecc_total, "nvmlDeviceGetTotalEccErrors", (Device, int, int, std::uint64_t*))                             \
  X(sram_ecc, "nvmlDeviceGetSramEccErrorStatus", (Device, SramEcc*))                                          \
  X(retired_pending, "nvmlDeviceGetRetiredPagesPendingStatus", (Device, int*))                                \
  X(remapped_rows, "nvmlDeviceGetRemappedRows",                                                               \
    (Device, std::uint32_t*, std::uint32_t*, std::uint32_t*, std::uint32_t*))                                 \
  X(pcie_replay, "nvmlDeviceGetPcieReplayCounter", (Device, std::uint32_t*))                                  \
  X(pcie_width, "nvmlDeviceGetCurrPcieLinkWidth", (Device, std::uint32_t*))                                   \
  X(pcie_max_width, "nvmlDeviceGetMaxPcieLinkWidth", (Device, std::uint32_t*))                                \
  X(pcie_generation, "nvmlDeviceGetCurrPcieLinkGeneration", (Device, std::uint32_t*))                         \
  X(pcie_throughput, "nvmlDeviceGetPcieThroughput", (Device, int, std::uint32_t*))                            \
  X(fabric, "nvmlDeviceGetGpuFabricInfo", (Device, Fabric*))                                                  \
  X(fabric_versioned, "nvmlDeviceGetGpuFabricInfoV", (Device, void*))                                         \
  X(nvlink_state, "nvmlDeviceGetNvLinkState", (Device, std::uint32_t, int*))                                  \
  X(field_values, "nvmlDeviceGetFieldValues", (Device, int, FieldValue*))                                     \
  X(compute_processes, "nvmlDeviceGetComputeRunningProcesses", (Device, std::uint32_t*, void*))               \
  X(compute_processes_v2, "nvmlDeviceGetComputeRunningProcesses_v2", (Device, std::uint32_t*, void*))         \
  X(compute_processes_v3, "nvmlDeviceGetComputeRunningProcesses_v3", (Device, std::uint32_t*, void*))         \
  X(graphics_processes_v3, "nvmlDeviceGetGraphicsRunningProcesses_v3", (Device, std::uint32_t*, void*))       \
  X(mps_processes_v3, "nvmlDeviceGetMPSComputeRunningProcesses_v3", (Device, std::uint32_t*, void*))          \
  X(mig_mode, "nvmlDeviceGetMigMode", (Device, std::uint32_t*, std::uint32_t*))                               \
  X(mig_max_count, "nvmlDeviceGetMaxMigDeviceCount", (Device, std::uint32_t*))                                \
  X(mig_by_index, "nvmlDeviceGetMigDeviceHandleByIndex", (Device, std::uint32_t, Device*))                    \
  X(gpu_instance, "nvmlDeviceGetGpuInstanceId", (Device, std::uint32_t*))                                     \
  X(compute_instance, "nvmlDeviceGetComputeInstanceId", (Device, std::uint32_t*))                             \
  X(event_set_create, "nvmlEventSetCreate", (EventSet*))                                                      \
  X(event_set_free, "nvmlEventSetFree", (EventSet))                                                           \
  X(event_set_wait, "nvmlEventSetWait_v2", (EventSet, EventData*, std::uint32_t))                             \
  X(event_types, "nvmlDeviceGetSupportedEventTypes", (Device, std::uint64_t*))                                \
  X(event_register, "nvmlDeviceRegisterEvents", (Device, std::uint64_t, EventSet))                            \
  X(system_set_create, "nvmlSystemEventSetCreate", (SystemEventSetRequest*))                                  \
  X(system_set_free, "nvmlSystemEventSetFree", (SystemEventSetRequest*))                                      \
  X(system_register, "nvmlSystemRegisterEvents", (SystemRegisterRequest*))                                    \
  X(system_wait, "nvmlSystemEventSetWait", (SystemWaitRequest*))                                              \
  X(load_library, "dlopen libnvidia-ml.so.1", ())                                                             \
  X(driver_files, "open /dev/nvidiactl", ())

namespace inference_health::gpu {

enum class Symbol : std::size_t {
#define INFERENCE_HEALTH_ENUMERATOR(id, name, parameters) id,
  INFERENCE_HEALTH_NVML_SYMBOLS(INFERENCE_HEALTH_ENUMERATOR)
#undef INFERENCE_HEALTH_ENUMERATOR
      kCount
};

inline constexpr std::size_t kSymbols = static_cast<std::size_t>(Symbol::kCount);

inline constexpr std::array<const char*, kSymbols> kSymbolNames = {
#define INFERENCE_HEALTH_NAME(id, name, parameters) name,
    INFERENCE_HEALTH_NVML_SYMBOLS(INFERENCE_HEALTH_NAME)
#undef INFERENCE_HEALTH_NAME
};

namespace nvml {

template <Symbol S>
struct Function;
#define INFERENCE_HEALTH_FUNCTION(id, name, parameters) \
  template <>                                           \
  struct Function<Symbol::id> {                         \
    using Type = Return(*) parameters;                  \
  };
INFERENCE_HEALTH_NVML_SYMBOLS(INFERENCE_HEALTH_FUNCTION)
#undef INFERENCE_HEALTH_FUNCTION

}  // namespace nvml
}  // namespace inference_health::gpu
