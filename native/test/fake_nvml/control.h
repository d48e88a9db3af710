/* How a test steers the fake libnvidia-ml.so.1 while it runs: one file, mapped shared by the library, written by the
 * test with ordinary writes (or through a mapping of its own).
 *
 *   Where    environment FAKE_NVML_CONTROL, else the file `control` in the folder that the library was loaded from. It is
 *            looked up again at every nvmlInit that finds the library uninitialised. Without one, nvmlInit answers 9.
 *   Shape    everything is a 64-bit signed integer in native byte order, except the strings; the lists below give the order.
 *            scripts/lib/fake-gpu/layout.mjs reads the offsets out of this header, so there is no second list to keep.
 *   Absent   FAKE_ABSENT in a value of a device makes the call that would return it answer NOT_SUPPORTED.
 *   Waking   sleeping calls (event waits, blocked calls) look at the file when it is written (inotify), and every 20 ms
 *            anyway, since stores through a mapping are not seen by inotify; fake_wake() is for those.
 *   Torn     values are read one by one; a change of several that must be seen together belongs into one write.
 *
 * Counters (calls, errors, threads, reference counts, …) are written by the library, everything else by the test. */
#pragma once

#include <stdint.h>

#define FAKE_MAGIC 0x464e564d /* "FNVM" */
#define FAKE_LAYOUT 1
#define FAKE_ABSENT INT64_MIN
#define FAKE_MAX_RULES 128
#define FAKE_MAX_DEVICES 64
#define FAKE_MAX_PROCESSES 64
#define FAKE_MAX_OVERRIDES 64
#define FAKE_MAX_EVENTS 4096
#define FAKE_MAX_THREADS 64
#define FAKE_LONG_TEXT 96
#define FAKE_SHORT_TEXT 32

#define FAKE_HEADER_FIELDS(X)                                                                             \
  X(magic)                                                                                                \
  X(layout)                                                                                               \
  X(size)               /* of this file in bytes */                                                       \
  X(wake)               /* write anything: sleeping calls look again */                                   \
  X(driverLoaded)       /* 0: nvmlInit answers 9, calls of a running session goneReturn */                \
  X(goneReturn)                                                                                           \
  X(accessLost)         /* 1: as after the container lost its device cgroup: 999 for everything */        \
  X(versionMismatch)    /* 1: as after a driver upgrade: new inits answer 18, running sessions go on */   \
  X(cudaVersion)        /* 12040 = 12.4 */                                                                \
  X(inventoryLive)      /* 1: GetCount follows `present` at once; 0: from the next nvmlInit on */         \
  X(processStride)      /* bytes of an entry of ..._v3 process lists: 0 as the built driver age, 24, 32 */ \
  X(processGrowth)      /* processes that start between two calls of a process list */                    \
  X(eventHead)          /* events ever written to the ring */                                             \
  X(kmsgSequence)       /* next sequence number of the fake kernel log; used by its writers only */       \
  X(inits)              /* counters from here on: calls of nvmlInit that succeeded */                     \
  X(shutdowns)                                                                                            \
  X(references)         /* inits - shutdowns of all processes that run now */                             \
  X(surplusShutdowns)                                                                                     \
  X(uninitializedCalls) /* calls before init or after shutdown */                                         \
  X(shutdownsWhileInside) /* shutdowns while another thread was inside a call */                          \
  X(staleHandles)       /* calls with a handle of an earlier session or with garbage */                   \
  X(forkedCalls)        /* calls in a fork of the process that initialised */                             \
  X(eventSets)          /* event sets that exist, system event sets included: a leak when it stays up */  \
  X(doubleFrees)                                                                                          \
  X(freedSetUses)       /* waits on and registrations in a freed set */                                   \
  X(eventsDelivered)                                                                                      \
  X(eventsDropped)      /* overwritten in the ring before they were read */                               \
  X(inside)             /* calls running now */                                                           \
  X(maxInside)          /* the most at one time */                                                        \
  X(blocked)            /* calls held by a `block` now */                                                 \
  X(threads)            /* distinct threads that ever called */                                           \
  X(cpuNs)              /* CPU time that calls have used */

/* One per symbol, in the order of symbols.h; rule 0 is `*` and applies to every call besides the symbol's own. Call
 * numbers count from 1 over the life of the control file; `To` 0 means for ever. */
#define FAKE_RULE_FIELDS(X)                                                                               \
  X(returnCode)     /* what the call answers instead, when not 0 */                                       \
  X(returnDevice)   /* only for this device slot; -1 any */                                               \
  X(returnFrom)                                                                                           \
  X(returnTo)                                                                                             \
  X(latencyUs)      /* every call takes this long */                                                      \
  X(slowUs)         /* and these calls so much longer: */                                                 \
  X(slowFrom)                                                                                             \
  X(slowTo)                                                                                               \
  X(slowEvery)      /* only every N-th; 0 all */                                                          \
  X(block)          /* 1: calls never return until it is 0 again */                                       \
  X(blockDevice)    /* only for this device slot; -1 any */                                               \
  X(blockFrom)                                                                                            \
  X(calls)          /* counters from here on */                                                           \
  X(errors)                                                                                               \
  X(inside)                                                                                               \
  X(blocked)                                                                                              \
  X(lastThread)     /* tid of the last caller */                                                          \
  X(lastAtMs)       /* CLOCK_MONOTONIC ms of the last call */

#define FAKE_DEVICE_FIELDS(X)                                                                             \
  X(kind)           /* 0 free slot, 1 GPU, 2 MIG device */                                                \
  X(present)        /* listed by GetCount; indices count the present GPUs in slot order */                \
  X(returnCode)     /* what every call on this device answers when not 0: 15 lost, 16 reset required, … */ \
  X(parent)         /* slot of a MIG device's GPU */                                                      \
  X(migMode) X(migPendingMode) X(migMaxCount) X(migIndex) X(gpuInstance) X(computeInstance)               \
  X(pciDomain) X(pciBus) X(pciDevice) X(pciDeviceId) X(pciSubSystemId) X(minor) X(persistenceMode)        \
  X(memTotalBytes) X(memReservedBytes) X(memUsedBytes)                                                    \
  X(bar1TotalBytes) X(bar1UsedBytes)                                                                      \
  X(utilGpuPercent) X(utilMemPercent)                                                                     \
  X(temperatureC) X(memTemperatureC) X(marginC)                                                           \
  X(shutdownC) X(slowdownC) X(memMaxC) X(gpuMaxC)                                                         \
  X(powerMw) X(powerInstantMw) X(powerLimitMw) X(powerManagementLimitMw) X(energyMj)                      \
  X(clockReasons) X(pState)                                                                               \
  X(graphicsClockMhz) X(smClockMhz) X(memClockMhz) X(videoClockMhz)                                       \
  X(maxGraphicsClockMhz) X(maxSmClockMhz) X(maxMemClockMhz) X(maxVideoClockMhz)                           \
  X(powerViolationNs) X(thermalViolationNs) X(syncViolationNs) X(boardViolationNs)                        \
  X(lowUtilViolationNs) X(reliabilityViolationNs) X(appViolationNs) X(baseViolationNs)                    \
  X(swThermalNs) X(hwThermalNs) X(powerBrakeNs)                                                           \
  X(eccMode) X(eccPendingMode)                                                                            \
  X(eccVolatileCorrected) X(eccVolatileUncorrected) X(eccAggregateCorrected) X(eccAggregateUncorrected)   \
  X(sramVolatileCorrected) X(sramVolatileParity) X(sramVolatileSecDed)                                    \
  X(sramAggregateCorrected) X(sramAggregateParity) X(sramAggregateSecDed)                                 \
  X(sramBucketL2) X(sramBucketSm) X(sramBucketPcie) X(sramBucketMcu) X(sramBucketOther)                   \
  X(sramThresholdExceeded)                                                                                \
  X(retiredSingleBit) X(retiredDoubleBit) X(retiredPending)                                               \
  X(remapCorrected) X(remapUncorrected) X(remapPending) X(remapFailed)                                    \
  X(remapCorrectedInactive) X(remapUncorrectedInactive)                                                   \
  X(histogramMax) X(histogramHigh) X(histogramPartial) X(histogramLow) X(histogramNone)                   \
  X(channelRepairPending) X(tpcRepairPending) X(unrepairableMemory)                                       \
  X(fabricState) X(fabricStatus) X(fabricClique) X(fabricHealthMask) X(fabricHealthSummary)               \
  X(nvlinkCount) X(nvlinkDownMask) /* bit per link */ X(nvlinkVersion)                                    \
  X(nvlinkErrorLink) /* the link that has the errors below; the others have none */                       \
  X(nvlinkReplay) X(nvlinkRecovery) X(nvlinkCrcFlit) X(nvlinkCrcData)                                     \
  X(nvlinkReceiveErrors) X(nvlinkIntegrityErrors) X(nvlinkRecoveryFailures)                               \
  X(pcieReplay) X(pcieRollover) X(pcieGeneration) X(pcieMaxGeneration) X(pcieWidth) X(pcieMaxWidth)       \
  X(pcieTxKbps) X(pcieRxKbps)                                                                             \
  X(pcieL0ToRecovery) X(pcieCorrectable) X(pcieNonFatal) X(pcieFatal)                                     \
  X(recoveryAction)                                                                                       \
  X(supportedEvents)                                                                                      \
  X(processCount)

#define FAKE_PROCESS_FIELDS(X)                                                                            \
  X(pid)                                                                                                  \
  X(memoryBytes)                                                                                          \
  X(gpuInstance)                                                                                          \
  X(computeInstance)                                                                                      \
  X(protectedBytes)                                                                                       \
  X(smUtilPercent)                                                                                        \
  X(memUtilPercent)

/* Answers of nvmlDeviceGetFieldValues that the device's values do not give. The first match counts. */
#define FAKE_OVERRIDE_FIELDS(X)                                                                           \
  X(used)                                                                                                 \
  X(device)       /* slot; -1 any */                                                                      \
  X(fieldId)                                                                                              \
  X(scopeId)      /* -1 any */                                                                            \
  X(returnCode)   /* of this item */                                                                      \
  X(valueType)    /* 0 double (bits), 1 u32, 3 u64, 4 i64 */                                              \
  X(value)

/* A ring: event number N is at N % FAKE_MAX_EVENTS; write it first, then eventHead. */
#define FAKE_EVENT_FIELDS(X)                                                                              \
  X(device)       /* slot; -1 a device that no one has a handle of, -2 a system event */                  \
  X(type)         /* event bit; of system events 1 unbind, 2 bind */                                      \
  X(data)         /* XID; of system events the GPU id */                                                  \
  X(gpuInstance)                                                                                          \
  X(computeInstance)                                                                                      \
  X(repeat)       /* delivered so many times: bursts larger than the ring */                              \
  X(step)         /* added to `data` at each repetition */

#define FAKE_DECLARE(name) int64_t name;
typedef struct { FAKE_HEADER_FIELDS(FAKE_DECLARE) } FakeHeader;
typedef struct { FAKE_RULE_FIELDS(FAKE_DECLARE) } FakeRule;
typedef struct { FAKE_PROCESS_FIELDS(FAKE_DECLARE) } FakeProcess;
typedef struct { FAKE_OVERRIDE_FIELDS(FAKE_DECLARE) } FakeOverride;
typedef struct { FAKE_EVENT_FIELDS(FAKE_DECLARE) } FakeEvent;
typedef struct {
  char uuid[FAKE_LONG_TEXT];
  char name[FAKE_LONG_TEXT];
  char serial[FAKE_SHORT_TEXT];
  FAKE_DEVICE_FIELDS(FAKE_DECLARE)
  FakeProcess processes[FAKE_MAX_PROCESSES];
} FakeDevice;
#undef FAKE_DECLARE

typedef struct {
  FakeHeader header;
  char driverVersion[FAKE_LONG_TEXT];
  char nvmlVersion[FAKE_LONG_TEXT];
  int64_t threadIds[FAKE_MAX_THREADS];
  FakeRule rules[FAKE_MAX_RULES];
  FakeOverride overrides[FAKE_MAX_OVERRIDES];
  FakeEvent events[FAKE_MAX_EVENTS];
  FakeDevice devices[FAKE_MAX_DEVICES];
} FakeControl;
