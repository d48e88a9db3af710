/* Who uses a GPU. Drivers 535.43 to 535.98 filled entries of 32 bytes where the header said 24. */
#include <string.h>

#include "core.h"

enum { V1_STRIDE = 16, V2_STRIDE = 24, DETAIL_STRIDE = 32 };

static int v3_stride(void) {
  const int64_t given = GET(control()->header.processStride);
  if (given != 0) return (int)given;
  return FAKE_DRIVER >= 535043 && FAKE_DRIVER < 535098 ? DETAIL_STRIDE : V2_STRIDE;
}

/* How many processes there are; more by the next call where the test asked for growth. */
static uint32_t take_count(FakeDevice* self) {
  const int64_t count = GET(self->processCount), growth = GET(control()->header.processGrowth);
  const int64_t grown = count + growth > FAKE_MAX_PROCESSES ? FAKE_MAX_PROCESSES : count + growth;
  if (growth > 0) PUT(self->processCount, grown);
  return (uint32_t)count;
}

static void put_process(char* out, int stride, const FakeProcess* process) {
  const ProcessDetail detail = {.pid = (uint32_t)GET(process->pid),
                                .usedGpuMemory = (uint64_t)GET(process->memoryBytes),
                                .gpuInstanceId = (uint32_t)GET(process->gpuInstance),
                                .computeInstanceId = (uint32_t)GET(process->computeInstance),
                                .usedGpuCcProtectedMemory = (uint64_t)GET(process->protectedBytes)};
  /* The three layouts are prefixes of each other. */
  memcpy(out, &detail, (size_t)stride);
}

static nvmlReturn list(FakeDevice* self, uint32_t* count, char* out, int stride) {
  if (count == NULL) return NVML_INVALID_ARGUMENT;
  if (GET(self->processCount) == FAKE_ABSENT) return NVML_NOT_SUPPORTED;
  const uint32_t room = *count, present = take_count(self);
  *count = present;
  if (room < present) return NVML_INSUFFICIENT_SIZE;
  if (present > 0 && out == NULL) return NVML_INVALID_ARGUMENT;
  for (uint32_t index = 0; index < present; index += 1) put_process(out + (size_t)stride * index, stride, &self->processes[index]);
  return NVML_SUCCESS;
}

#define PROCESS_LIST(since, name, stride)                                       \
  since nvmlReturn name(nvmlDevice device, uint32_t* count, void* out) {        \
    DEVICE_CALL(name, device, { call.result = list(self, count, out, stride); }); \
  }
PROCESS_LIST(SINCE_470, nvmlDeviceGetComputeRunningProcesses, V1_STRIDE)
PROCESS_LIST(SINCE_470, nvmlDeviceGetComputeRunningProcesses_v2, V2_STRIDE)
PROCESS_LIST(SINCE_535_43, nvmlDeviceGetComputeRunningProcesses_v3, v3_stride())

/* Nothing draws here, and there is no MPS server. */
#define EMPTY_LIST(name)                                                               \
  SINCE_535_43 nvmlReturn name(nvmlDevice device, uint32_t* count, void* out) {        \
    (void)out;                                                                         \
    DEVICE_CALL(name, device, {                                                        \
      if (count == NULL) FAIL(NVML_INVALID_ARGUMENT);                                  \
      else *count = 0;                                                                 \
    });                                                                                \
  }
EMPTY_LIST(nvmlDeviceGetGraphicsRunningProcesses_v3)
EMPTY_LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3)

SINCE_535_104 nvmlReturn nvmlDeviceGetRunningProcessDetailList(nvmlDevice device, ProcessDetailList* out) {
  DEVICE_CALL(nvmlDeviceGetRunningProcessDetailList, device, {
    if (out == NULL || out->mode > 2) FAIL(NVML_INVALID_ARGUMENT);
    else if (out->version != ABI_VERSION(ProcessDetailList, 1)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    else call.result = list(self, &out->numProcArrayEntries, (char*)out->procArray, DETAIL_STRIDE);
  });
}

/* Microseconds since the epoch would do in reality; what counts is that they grow. */
static bool has_samples(const FakeDevice* self, uint64_t last_seen) {
  return GET(self->processCount) > 0 && last_seen < (uint64_t)monotonic_us();
}

SINCE_470 nvmlReturn nvmlDeviceGetProcessUtilization(nvmlDevice device, ProcessUtilizationSample* out, uint32_t* count,
                                                     uint64_t last_seen) {
  DEVICE_CALL(nvmlDeviceGetProcessUtilization, device, {
    const uint32_t present = (uint32_t)or_zero(&self->processCount);
    const uint32_t room = count == NULL ? 0 : *count;
    if (count != NULL) *count = present;
    if (count == NULL) FAIL(NVML_INVALID_ARGUMENT);
    else if (GET(self->migMode) == 1) FAIL(NVML_NOT_SUPPORTED);
    else if (!has_samples(self, last_seen)) FAIL(NVML_NOT_FOUND);
    else if (out == NULL || room < present) FAIL(NVML_INSUFFICIENT_SIZE);
    for (uint32_t index = 0; call.result == NVML_SUCCESS && index < present; index += 1) {
      out[index] = (ProcessUtilizationSample){.pid = (uint32_t)GET(self->processes[index].pid),
                                              .timeStamp = (uint64_t)monotonic_us(),
                                              .smUtil = (uint32_t)GET(self->processes[index].smUtilPercent),
                                              .memUtil = (uint32_t)GET(self->processes[index].memUtilPercent)};
    }
  });
}

SINCE_550 nvmlReturn nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice device, ProcessesUtilizationInfo* out) {
  DEVICE_CALL(nvmlDeviceGetProcessesUtilizationInfo, device, {
    const uint32_t present = (uint32_t)or_zero(&self->processCount);
    const uint32_t room = out == NULL ? 0 : out->processSamplesCount;
    if (out == NULL) FAIL(NVML_INVALID_ARGUMENT);
    else if (out->version != ABI_VERSION(ProcessesUtilizationInfo, 1)) FAIL(NVML_ARGUMENT_VERSION_MISMATCH);
    else if (GET(self->migMode) == 1) FAIL(NVML_NOT_SUPPORTED);
    else if (!has_samples(self, out->lastSeenTimeStamp)) FAIL(NVML_NOT_FOUND);
    else if (out->procUtilArray == NULL || room < present) FAIL(NVML_INSUFFICIENT_SIZE);
    if (out != NULL && (call.result == NVML_SUCCESS || call.result == NVML_INSUFFICIENT_SIZE)) out->processSamplesCount = present;
    for (uint32_t index = 0; call.result == NVML_SUCCESS && index < present; index += 1) {
      out->procUtilArray[index] = (ProcessUtilizationInfo){.timeStamp = (uint64_t)monotonic_us(),
                                                           .pid = (uint32_t)GET(self->processes[index].pid),
                                                           .smUtil = (uint32_t)GET(self->processes[index].smUtilPercent),
                                                           .memUtil = (uint32_t)GET(self->processes[index].memUtilPercent)};
    }
  });
}
