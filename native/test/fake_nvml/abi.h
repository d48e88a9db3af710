/* The part of NVML's binary interface that the fake speaks: struct layouts, return codes, event bits, version words.
 * Written from the published sizes and offsets (64-bit little endian, LP64); the assertions below are the contract. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int nvmlReturn;
typedef struct FakeHandle* nvmlDevice;
typedef struct FakeEventSet* nvmlEventSet;

enum {
  NVML_SUCCESS = 0,
  NVML_UNINITIALIZED = 1,
  NVML_INVALID_ARGUMENT = 2,
  NVML_NOT_SUPPORTED = 3,
  NVML_NO_PERMISSION = 4,
  NVML_NOT_FOUND = 6,
  NVML_INSUFFICIENT_SIZE = 7,
  NVML_DRIVER_NOT_LOADED = 9,
  NVML_TIMEOUT = 10,
  NVML_FUNCTION_NOT_FOUND = 13,
  NVML_GPU_IS_LOST = 15,
  NVML_LIB_RM_VERSION_MISMATCH = 18,
  NVML_ARGUMENT_VERSION_MISMATCH = 25,
  NVML_GPU_NOT_FOUND = 28,
  NVML_UNKNOWN = 999,
};

typedef struct { char busIdLegacy[16]; uint32_t domain, bus, device, pciDeviceId, pciSubSystemId; char busId[32]; } PciInfo;
typedef struct { uint32_t version, domain, bus, device, pciDeviceId, pciSubSystemId, baseClass, subClass; char busId[32]; } PciInfoExt;
typedef struct { uint32_t gpu, memory; } Utilization;
typedef struct { uint64_t total, free, used; } Memory;
typedef struct { uint32_t version; uint64_t total, reserved, free, used; } MemoryV2;
typedef struct { uint64_t total, free, used; } Bar1Memory;
typedef struct { uint32_t pid; uint64_t usedGpuMemory; } ProcessV1;
typedef struct { uint32_t pid; uint64_t usedGpuMemory; uint32_t gpuInstanceId, computeInstanceId; } ProcessV2;
typedef struct {
  uint32_t pid;
  uint64_t usedGpuMemory;
  uint32_t gpuInstanceId, computeInstanceId;
  uint64_t usedGpuCcProtectedMemory;
} ProcessDetail;
typedef struct { uint32_t version, mode, numProcArrayEntries; ProcessDetail* procArray; } ProcessDetailList;
typedef struct {
  uint32_t multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount, sharedEncoderCount, sharedJpegCount, sharedOfaCount,
      gpuInstanceSliceCount, computeInstanceSliceCount;
  uint64_t memorySizeMB;
} DeviceAttributes;
typedef struct { uint32_t version, bChannelRepairPending, bTpcRepairPending; } RepairStatus;
typedef struct { uint32_t bUnrepairableMemory; } UnrepairableMemory;
typedef struct { uint32_t max, high, partial, low, none; } RowRemapperHistogram;
typedef struct { uint32_t corrActiveRemaps, corrInactiveRemaps, uncActiveRemaps, uncInactiveRemaps, bPending, bFailureOccurred; } RemappedRowsV2;
typedef struct { uint64_t referenceTime, violationTime; } ViolationTime;
typedef struct { uint32_t version; int32_t sensorType, temperature; } Temperature;
typedef struct { uint32_t version; int32_t marginTemperature; } MarginTemperature;
typedef struct { uint32_t pid; uint64_t timeStamp; uint32_t smUtil, memUtil, encUtil, decUtil; } ProcessUtilizationSample;
typedef struct { uint64_t timeStamp; uint32_t pid, smUtil, memUtil, encUtil, decUtil, jpgUtil, ofaUtil; } ProcessUtilizationInfo;
typedef struct { uint32_t version, processSamplesCount; uint64_t lastSeenTimeStamp; ProcessUtilizationInfo* procUtilArray; } ProcessesUtilizationInfo;
typedef struct {
  uint32_t version;
  uint64_t aggregateUncParity, aggregateUncSecDed, aggregateCor, volatileUncParity, volatileUncSecDed, volatileCor,
      aggregateUncBucketL2, aggregateUncBucketSm, aggregateUncBucketPcie, aggregateUncBucketMcu, aggregateUncBucketOther;
  uint32_t bThresholdExceeded;
} EccSramStatus;
typedef union { double d; uint32_t ui; uint64_t ull; int64_t sll; } FieldNumber;
typedef struct {
  uint32_t fieldId, scopeId;
  int64_t timestamp, latencyUsec;
  int32_t valueType;
  nvmlReturn result;
  FieldNumber value;
} FieldValue;
typedef struct { nvmlDevice device; uint64_t eventType, eventData; uint32_t gpuInstanceId, computeInstanceId; } EventData;
typedef struct { uint32_t version; nvmlEventSet set; } SystemEventSetRequest; /* create and free */
typedef struct { uint32_t version; uint64_t eventTypes; nvmlEventSet set; } SystemRegisterEventRequest;
typedef struct { uint64_t eventType; uint32_t gpuId; } SystemEventData;
typedef struct { uint32_t version, timeoutms; nvmlEventSet set; SystemEventData* data; uint32_t dataSize, numEvent; } SystemEventSetWaitRequest;
typedef struct { uint8_t clusterUuid[16]; nvmlReturn status; uint32_t cliqueId; int32_t state; } FabricInfo;
typedef struct { uint32_t version; uint8_t clusterUuid[16]; nvmlReturn status; uint32_t cliqueId; int32_t state; uint32_t healthMask; } FabricInfoV2;
typedef struct {
  uint32_t version;
  uint8_t clusterUuid[16];
  nvmlReturn status;
  uint32_t cliqueId;
  int32_t state;
  uint32_t healthMask;
  uint8_t healthSummary;
} FabricInfoV3;
typedef struct { uint32_t version, type; union { char str[41]; uint8_t bytes[16]; } value; } UuidV1;

#define ABI_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#define ABI_AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
ABI_SIZE(PciInfo, 68); ABI_AT(PciInfo, domain, 16); ABI_AT(PciInfo, busId, 36);
ABI_SIZE(PciInfoExt, 64); ABI_AT(PciInfoExt, busId, 32);
ABI_SIZE(Utilization, 8);
ABI_SIZE(Memory, 24); ABI_AT(Memory, used, 16);
ABI_SIZE(MemoryV2, 40); ABI_AT(MemoryV2, total, 8); ABI_AT(MemoryV2, used, 32);
ABI_SIZE(Bar1Memory, 24);
ABI_SIZE(ProcessV1, 16); ABI_SIZE(ProcessV2, 24); ABI_SIZE(ProcessDetail, 32); ABI_AT(ProcessDetail, usedGpuCcProtectedMemory, 24);
ABI_SIZE(ProcessDetailList, 24); ABI_AT(ProcessDetailList, procArray, 16);
ABI_SIZE(DeviceAttributes, 40); ABI_AT(DeviceAttributes, memorySizeMB, 32);
ABI_SIZE(RepairStatus, 12); ABI_SIZE(UnrepairableMemory, 4); ABI_SIZE(RowRemapperHistogram, 20); ABI_SIZE(RemappedRowsV2, 24);
ABI_SIZE(ViolationTime, 16); ABI_SIZE(Temperature, 12); ABI_SIZE(MarginTemperature, 8);
ABI_SIZE(ProcessUtilizationSample, 32); ABI_SIZE(ProcessUtilizationInfo, 40); ABI_SIZE(ProcessesUtilizationInfo, 24);
ABI_SIZE(EccSramStatus, 104); ABI_AT(EccSramStatus, bThresholdExceeded, 96);
ABI_SIZE(FieldValue, 40); ABI_AT(FieldValue, valueType, 24); ABI_AT(FieldValue, value, 32);
ABI_SIZE(EventData, 32); ABI_AT(EventData, eventType, 8); ABI_AT(EventData, computeInstanceId, 28);
ABI_SIZE(SystemEventSetRequest, 16); ABI_SIZE(SystemRegisterEventRequest, 24); ABI_SIZE(SystemEventData, 16);
ABI_SIZE(SystemEventSetWaitRequest, 32); ABI_AT(SystemEventSetWaitRequest, numEvent, 28);
ABI_SIZE(FabricInfo, 28); ABI_SIZE(FabricInfoV2, 36); ABI_SIZE(FabricInfoV3, 40); ABI_AT(FabricInfoV3, healthSummary, 36);
ABI_SIZE(UuidV1, 52);

/* Version words of self-versioned structs: size | version << 24. */
#define ABI_VERSION(type, version) ((uint32_t)(sizeof(type) | ((uint32_t)(version) << 24)))
