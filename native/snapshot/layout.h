// The layout of the native block: sections of 8-byte double slots. lib/native/layout.ts mirrors it, and a test
// compares the two. NaN means absent, and the group's `…Reason` slot says why.
#pragma once

#include <cstddef>

#include "snapshot/absent.h"

namespace inference_health {

/// Values of the `…Reason` slots.
enum class Reason : unsigned char {
  ok = 0,
  missing = 1,
  permission = 2,
  malformed = 3,
  unsupported = 4,
  needs_second_sample = 5,
  unlimited = 6,
  io_error = 7,
};

#define INFERENCE_HEALTH_HOST_FIELDS(X)                                                                     \
  X(observedAtMs) X(observedUnixMs) X(sampleDurationUs) X(samples)                                          \
  X(cpuBusyRatio) X(cpuUserRatio) X(cpuSystemRatio) X(cpuIowaitRatio) X(cpuStealRatio) X(cpuCount)          \
  X(cpuReason)                                                                                              \
  X(processCpuCores) X(processCpuUserMs) X(processCpuSystemMs) X(processCpuReason)                          \
  X(memTotalBytes) X(memAvailableBytes) X(swapTotalBytes) X(swapFreeBytes) X(memReason)                     \
  X(processRssBytes) X(processSharedBytes) X(processMemReason)                                              \
  X(cgroupVersion) X(cgroupHybrid)                                                                          \
  X(cgroupMemoryLimitBytes) X(cgroupMemoryUsageBytes) X(cgroupWorkingSetBytes) X(cgroupMemoryHighBytes)     \
  X(cgroupSwapBytes) X(cgroupOomEvents) X(cgroupOomKillEvents) X(cgroupMemoryReason)                        \
  X(cgroupCpuQuotaCores) X(cgroupCpuUsageCores) X(cgroupCpuPeriods) X(cgroupCpuThrottledPeriods)            \
  X(cgroupCpuThrottledMs) X(cgroupCpuThrottledRatio) X(cgroupCpuReason)                                     \
  X(cgroupPidsCurrent) X(cgroupPidsMax) X(cgroupPidsReason)                                                 \
  X(psiScope) X(psiCpuSomeAvg10) X(psiCpuSomeAvg60) X(psiCpuSomeTotalUs) X(psiCpuReason)                    \
  X(psiMemorySomeAvg10) X(psiMemoryFullAvg10) X(psiMemorySomeTotalUs) X(psiMemoryReason)                    \
  X(psiIoSomeAvg10) X(psiIoFullAvg10) X(psiIoSomeTotalUs) X(psiIoReason)                                    \
  X(load1) X(load5) X(load15) X(loadReason)                                                                 \
  X(openFds) X(maxFds) X(fdReason) X(threads) X(threadsReason) X(uptimeSeconds) X(uptimeReason)             \
  X(processStartUnixMs)

#define INFERENCE_HEALTH_LOOP_FIELDS(X)                                                                     \
  X(busyMs) X(busySinceMs) X(longestStallMs) X(stallCount) X(stallTotalMs) X(utilization) X(iterations)     \
  X(tid) X(alive)

#define INFERENCE_HEALTH_ENUMERATOR(name) name,
enum class HostField : std::size_t { INFERENCE_HEALTH_HOST_FIELDS(INFERENCE_HEALTH_ENUMERATOR) count };
enum class LoopField : std::size_t { INFERENCE_HEALTH_LOOP_FIELDS(INFERENCE_HEALTH_ENUMERATOR) count };
#undef INFERENCE_HEALTH_ENUMERATOR

inline constexpr std::size_t kHostSlots = static_cast<std::size_t>(HostField::count);
inline constexpr std::size_t kLoopSlots = static_cast<std::size_t>(LoopField::count);

/// Section `cores`: slot 0 is the number of cores that follow, then the busy ratio of each.
inline constexpr std::size_t kMaxCores = 1024;
inline constexpr std::size_t kCoresCount = 0;
inline constexpr std::size_t kCoresBusyRatio = 1;
inline constexpr std::size_t kCoresSlots = kCoresBusyRatio + kMaxCores;

}  // namespace inference_health
