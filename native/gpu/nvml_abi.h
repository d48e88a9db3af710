// The part of NVML's binary interface that we use, written from its documented layouts: no header of the driver and no
// link to it. Every struct is pinned by size and offset, for x86-64 and aarch64 alike.
#pragma once

#include <cstddef>
#include <cstdint>

namespace inference_health::gpu::nvml {

struct DeviceTag;
struct EventSetTag;
struct SystemEventSetTag;
using Device = DeviceTag*;
using EventSet = EventSetTag*;
using SystemEventSet = SystemEventSetTag*;

using Return = std::int32_t;

/// Codes that a decision depends on; every other number is passed on as it is.
inline constexpr Return kSuccess = 0, kUninitialized = 1, kInvalidArgument = 2, kNotSupported = 3, kNoPermission = 4,
                        kNotFound = 6, kInsufficientSize = 7, kDriverNotLoaded = 9, kTimeout = 10,
                        kLibraryNotFound = 12, kFunctionNotFound = 13, kGpuIsLost = 15, kResetRequired = 16,
                        kOperatingSystem = 17, kVersionMismatch = 18, kNoData = 21, kArgumentVersion = 25,
                        kDeprecated = 26, kNotReady = 27, kGpuNotFound = 28, kUnknown = 999;

/// What versioned structs carry first.
template <typename Struct>
constexpr std::uint32_t version_word(std::uint32_t version) {
  return static_cast<std::uint32_t>(sizeof(Struct)) | version << 24;
}

struct Memory {
  std::uint64_t total, free, used;
};
static_assert(sizeof(Memory) == 24 && offsetof(Memory, used) == 16);

struct MemoryV2 {
  std::uint32_t version;
  std::uint64_t total, reserved, free, used;
};
static_assert(sizeof(MemoryV2) == 40 && offsetof(MemoryV2, total) == 8 && offsetof(MemoryV2, used) == 32);
static_assert(version_word<MemoryV2>(2) == 0x02000028);

struct Utilization {
  std::uint32_t gpu, memory;
};
static_assert(sizeof(Utilization) == 8 && offsetof(Utilization, memory) == 4);

struct PciInfo {
  char bus_id_legacy[16];
  std::uint32_t domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, domain) == 16 && offsetof(PciInfo, bus_id) == 36);

struct ProcessV1 {
  std::uint32_t pid;
  std::uint64_t used_memory;
};
static_assert(sizeof(ProcessV1) == 16 && offsetof(ProcessV1, used_memory) == 8);

struct ProcessV2 {
  std::uint32_t pid;
  std::uint64_t used_memory;
  std::uint32_t gpu_instance, compute_instance;
};
static_assert(sizeof(ProcessV2) == 24 && offsetof(ProcessV2, gpu_instance) == 16);

/// What drivers from 535.43 to 535.86 return from the functions that promise a ProcessV2.
struct ProcessDetail {
  std::uint32_t pid;
  std::uint64_t used_memory;
  std::uint32_t gpu_instance, compute_instance;
  std::uint64_t used_protected_memory;
};
static_assert(sizeof(ProcessDetail) == 32 && offsetof(ProcessDetail, used_protected_memory) == 24);

struct Violation {
  std::uint64_t reference_time, violation_time;
};
static_assert(sizeof(Violation) == 16 && offsetof(Violation, violation_time) == 8);

struct SramEcc {
  std::uint32_t version;
  std::uint64_t counters[11];
  std::uint32_t threshold_exceeded;
};
static_assert(sizeof(SramEcc) == 104 && offsetof(SramEcc, counters) == 8 && offsetof(SramEcc, threshold_exceeded) == 96);
static_assert(version_word<SramEcc>(1) == 0x01000068);

union Value {
  double as_double;
  std::int32_t as_int;
  std::uint32_t as_unsigned;
  std::uint64_t as_unsigned_long;
  std::int64_t as_signed_long;
  std::uint16_t as_short;
};
static_assert(sizeof(Value) == 8);

struct FieldValue {
  std::uint32_t field, scope;
  std::int64_t timestamp, latency_us;
  std::uint32_t type;
  Return result;
  Value value;
};
static_assert(sizeof(FieldValue) == 40 && offsetof(FieldValue, latency_us) == 16 && offsetof(FieldValue, type) == 24 &&
              offsetof(FieldValue, result) == 28 && offsetof(FieldValue, value) == 32);

struct EventData {
  Device device;
  std::uint64_t type, data;
  std::uint32_t gpu_instance, compute_instance;
};
static_assert(sizeof(EventData) == 32 && offsetof(EventData, type) == 8 && offsetof(EventData, data) == 16 &&
              offsetof(EventData, gpu_instance) == 24 && offsetof(EventData, compute_instance) == 28);

struct Fabric {
  std::uint8_t cluster[16];
  Return status;
  std::uint32_t clique, state;
};
static_assert(sizeof(Fabric) == 28 && offsetof(Fabric, status) == 16 && offsetof(Fabric, state) == 24);

struct FabricV2 {
  std::uint32_t version;
  std::uint8_t cluster[16];
  Return status;
  std::uint32_t clique, state, health_mask;
};
static_assert(sizeof(FabricV2) == 36 && offsetof(FabricV2, status) == 20 && offsetof(FabricV2, health_mask) == 32);
static_assert(version_word<FabricV2>(2) == 0x02000024);

struct FabricV3 {
  std::uint32_t version;
  std::uint8_t cluster[16];
  Return status;
  std::uint32_t clique, state, health_mask;
  std::uint8_t health_summary;
};
static_assert(sizeof(FabricV3) == 40 && offsetof(FabricV3, status) == 20 && offsetof(FabricV3, health_summary) == 36);
static_assert(version_word<FabricV3>(3) == 0x03000028);

struct MarginTemperature {
  std::uint32_t version;
  std::int32_t margin;
};
static_assert(sizeof(MarginTemperature) == 8 && version_word<MarginTemperature>(1) == 0x01000008);

struct SystemEventSetRequest {  // of both Create and Free
  std::uint32_t version;
  SystemEventSet set;
};
static_assert(sizeof(SystemEventSetRequest) == 16 && offsetof(SystemEventSetRequest, set) == 8);
static_assert(version_word<SystemEventSetRequest>(1) == 0x01000010);

struct SystemRegisterRequest {
  std::uint32_t version;
  std::uint64_t types;
  SystemEventSet set;
};
static_assert(sizeof(SystemRegisterRequest) == 24 && offsetof(SystemRegisterRequest, set) == 16);
static_assert(version_word<SystemRegisterRequest>(1) == 0x01000018);

struct SystemEventData {
  std::uint64_t type;
  std::uint32_t gpu;
};
static_assert(sizeof(SystemEventData) == 16 && offsetof(SystemEventData, gpu) == 8);

struct SystemWaitRequest {
  std::uint32_t version, timeout_ms;
  SystemEventSet set;
  SystemEventData* data;
  std::uint32_t data_size, count;
};
static_assert(sizeof(SystemWaitRequest) == 32 && offsetof(SystemWaitRequest, set) == 8 &&
              offsetof(SystemWaitRequest, data) == 16 && offsetof(SystemWaitRequest, data_size) == 24 &&
              offsetof(SystemWaitRequest, count) == 28);
static_assert(version_word<SystemWaitRequest>(1) == 0x01000020);

// Bits of a device's event types.
inline constexpr std::uint64_t kEventSingleBitEcc = 0x1, kEventDoubleBitEcc = 0x2, kEventXid = 0x8,
                               kEventMigConfig = 0x100, kEventSingleBitStorm = 0x200, kEventRetirement = 0x400,
                               kEventRetirementFailure = 0x800, kEventNonFatalPoison = 0x1000,
                               kEventFatalPoison = 0x2000, kEventUnavailable = 0x4000, kEventRecoveryAction = 0x8000;
inline constexpr std::uint64_t kSystemEventUnbind = 1, kSystemEventBind = 2;

inline constexpr std::uint32_t kAllOnes32 = 0xffffffff;
inline constexpr std::uint64_t kAllOnes64 = ~std::uint64_t{0};

// Fields of nvmlDeviceGetFieldValues.
inline constexpr std::uint32_t kFieldPowerViolation = 74, kFieldThermalViolation = 75, kFieldMemoryTemperature = 82,
                               kFieldNvlinkCount = 91, kFieldPcieReplay = 94, kFieldRemapCorrected = 142,
                               kFieldRemapUncorrected = 143, kFieldRemapPending = 144, kFieldRemapFailed = 145,
                               kFieldNvlinkReplay = 161, kFieldNvlinkRecovery = 162, kFieldNvlinkCrc = 163,
                               kFieldNvlinkReceiveErrors = 208, kFieldNvlinkIntegrity = 211,
                               kFieldNvlinkRecoveryFailed = 215, kFieldRecoveryAction = 230,
                               kFieldSwThermalSlowdown = 269, kFieldHwThermalSlowdown = 270, kFieldPowerBrake = 271;

}  // namespace inference_health::gpu::nvml
