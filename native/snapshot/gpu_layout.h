// The layout of the GPU part of the native block: sections of 8-byte double slots. lib/native/gpu-layout.ts mirrors it, and
// a test compares the two. NaN means absent. Times are CLOCK_MONOTONIC in milliseconds.
#pragma once

#include <cstddef>

#include "snapshot/absent.h"

namespace inference_health::gpu {

enum class State : unsigned char { off = 0, none = 1, starting = 2, ok = 3, unresponsive = 4, released = 5 };

enum class NoneReason : unsigned char {
  no_reason = 0,
  library_missing = 1,
  driver_not_loaded = 2,
  no_device_nodes = 3,
  version_mismatch = 4,
  access_lost = 5,
  init_failed = 6,
};

enum class KmsgState : unsigned char { off = 0, reading = 1, no_permission = 2, missing = 3 };

enum class EventState : unsigned char { off = 0, waiting = 1, unsupported = 2, backing_off = 3, stuck = 4 };

/// Of the helper process (`isolation: 'process'`). `ended` is started anew; `stuck` is one that is silent or cannot end.
enum class HelperState : unsigned char { not_used = 0, running = 1, ended = 2, cannot_start = 3, stuck = 4, stopped = 5 };

/// Bits of `sources` in a row of `xids`.
inline constexpr unsigned kSourceNvml = 1, kSourceKmsg = 2, kSourceField230 = 4, kSourceHandleProbe = 8;

#define INFERENCE_HEALTH_GPU_FIELDS(X)                                                                         \
  X(observedAtMs) X(state) X(noneReason) X(lastReturn) X(count) X(inventoryCount) X(generation)                \
  X(cudaVersion) X(initDurationMs) X(stuckSinceMs) X(stuckCall) X(stuckGpu) X(replacementThreads)              \
  X(versionMismatch) X(deviceAccess) X(kmsgState) X(kmsgGaps) X(kmsgRecords) X(kmsgMalformed) X(kmsgXids)      \
  X(watchdogLines) X(eventState) X(eventsReceived) X(eventErrors) X(eventRebuilds) X(eventBackoffMs)           \
  X(lastEventAtMs) X(fastAtMs) X(mediumAtMs) X(slowAtMs) X(fastDurationMs) X(mediumDurationMs)                 \
  X(slowDurationMs) X(fastIntervalMs) X(mediumIntervalMs) X(slowIntervalMs) X(xidRows) X(xidOverflow)          \
  X(ownPid) X(deadlineMs) X(restartBlocked) X(helperState) X(helperPid) X(helperRestarts)

/// `present` to `fabricHealthSummary` come from one sample; those from `eventSingleBitEcc` on are counters of their own.
#define INFERENCE_HEALTH_GPUS_FIELDS(X)                                                                        \
  X(present) X(lost) X(lastReturn) X(index) X(isMig) X(parentSlot) X(gpuInstance) X(computeInstance)           \
  X(lostSinceMs) X(returnedAtMs) X(stuck) X(fastAtMs) X(mediumAtMs) X(slowAtMs)                                \
  X(memTotalBytes) X(memUsedBytes) X(memFreeBytes) X(memReservedBytes) X(utilGpuPercent) X(utilMemPercent)     \
  X(powerMw) X(powerLimitMw) X(temperatureC) X(memTemperatureC) X(slowdownTemperatureC) X(marginC)             \
  X(smClockMhz) X(memClockMhz) X(clockReasons) X(pState)                                                       \
  X(eccMode) X(eccVolatileUncorrected) X(eccAggregateUncorrected) X(eccVolatileCorrected)                      \
  X(eccAggregateCorrected) X(sramThresholdExceeded)                                                            \
  X(remapCorrected) X(remapUncorrected) X(remapPending) X(remapFailed) X(retiredPending)                       \
  X(pcieReplay) X(pcieGeneration) X(pcieWidth) X(pcieMaxWidth) X(pcieTxKbps) X(pcieRxKbps)                     \
  X(nvlinkCount) X(nvlinkDown) X(nvlinkErrors) X(recoveryAction)                                               \
  X(powerViolationNs) X(thermalViolationNs) X(swThermalSlowdownNs) X(hwThermalSlowdownNs) X(hwSlowdownNs)      \
  X(processCount) X(ownMemoryBytes) X(migMode) X(supportedEvents)                                              \
  X(fabricState) X(fabricStatus) X(fabricHealth) X(fabricHealthSummary)                                        \
  INFERENCE_HEALTH_GPU_EVENTS(X)

/// Counts of NVML's events other than XIDs, by bit, and when the last one came.
#define INFERENCE_HEALTH_GPU_EVENTS(X)                                                                         \
  X(eventSingleBitEcc) X(eventDoubleBitEcc) X(eventSingleBitStorm) X(eventRetirement)                          \
  X(eventRetirementFailure) X(eventNonFatalPoison) X(eventFatalPoison) X(eventUnavailable)                     \
  X(eventRecoveryAction) X(eventMigConfig) X(eventDoubleBitEccAtMs) X(eventFatalPoisonAtMs)                    \
  X(eventUnavailableAtMs) X(eventRecoveryActionAtMs)

/// A row per (GPU or MIG device, XID). `gpuSlot` is −1 for a GPU that is not in the inventory; `busId` is
/// domain << 16 | bus << 8 | device. `count` is the greater of the two sources' counts: both report the same faults.
/// `severity` (of XID 144 to 150, from the text): 0 not said, 1 non-fatal, 2 fatal, 3 link fatal; `nvlinkUnit` is the
/// index in NVLINK_UNITS. `resetFlag`: what "RST:" in the text of 94 and 95 says. `otherPids` counts changes of the pid.
#define INFERENCE_HEALTH_XID_FIELDS(X)                                                                         \
  X(gpuSlot) X(xid) X(isSxid) X(busId) X(gpuInstance) X(computeInstance) X(count) X(nvmlCount) X(kmsgCount)    \
  X(firstAtMs) X(lastAtMs) X(sources) X(pid) X(otherPids) X(ownCount) X(ownAtMs) X(toAction) X(resetFlag)      \
  X(severity) X(nvlinkUnit) X(nvlinkErrorStatus) X(nvlinkIntrInfo)

/// Time in one function of the driver; `le…` are counts up to so many microseconds, not cumulative, `more` the rest.
#define INFERENCE_HEALTH_GPU_CALL_FIELDS(X)                                                                    \
  X(available) X(calls) X(errors) X(lastReturn) X(lastUs) X(maxUs) X(sumUs)                                    \
  X(le1) X(le2) X(le5) X(le10) X(le20) X(le50) X(le100) X(le200) X(le500) X(le1000) X(le2000) X(le5000)        \
  X(le10000) X(le20000) X(le50000) X(le100000) X(le200000) X(le500000) X(le1000000) X(le5000000) X(more)

#define INFERENCE_HEALTH_ENUMERATOR(name) name,
enum class GpuField : std::size_t { INFERENCE_HEALTH_GPU_FIELDS(INFERENCE_HEALTH_ENUMERATOR) kCount };
enum class GpusField : std::size_t { INFERENCE_HEALTH_GPUS_FIELDS(INFERENCE_HEALTH_ENUMERATOR) kCount };
enum class GpuEvent : std::size_t { INFERENCE_HEALTH_GPU_EVENTS(INFERENCE_HEALTH_ENUMERATOR) kCount };
enum class XidField : std::size_t { INFERENCE_HEALTH_XID_FIELDS(INFERENCE_HEALTH_ENUMERATOR) kCount };
enum class CallField : std::size_t { INFERENCE_HEALTH_GPU_CALL_FIELDS(INFERENCE_HEALTH_ENUMERATOR) kCount };
#undef INFERENCE_HEALTH_ENUMERATOR

inline constexpr std::size_t kMaxGpus = 64;  // MIG devices included
inline constexpr std::size_t kMaxXidRows = 256;
inline constexpr std::size_t kGpuSlots = static_cast<std::size_t>(GpuField::kCount);
inline constexpr std::size_t kGpusStride = static_cast<std::size_t>(GpusField::kCount);
inline constexpr std::size_t kGpuEvents = static_cast<std::size_t>(GpuEvent::kCount);
inline constexpr std::size_t kSampledFields = kGpusStride - kGpuEvents;
inline constexpr std::size_t kXidStride = static_cast<std::size_t>(XidField::kCount);
inline constexpr std::size_t kCallStride = static_cast<std::size_t>(CallField::kCount);

/// Upper bounds of the buckets in microseconds.
inline constexpr double kCallBucketsUs[] = {1,    2,    5,     10,    20,    50,     100,    200,    500,     1000,
                                            2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 5000000};
inline constexpr std::size_t kCallBuckets = sizeof(kCallBucketsUs) / sizeof(double) + 1;
static_assert(static_cast<std::size_t>(CallField::le1) + kCallBuckets == kCallStride);

}  // namespace inference_health::gpu
