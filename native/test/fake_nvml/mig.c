/* MIG: slices of a GPU as devices of their own. */
#include <string.h>

#include "core.h"

SINCE_470 nvmlReturn nvmlDeviceGetMigMode(nvmlDevice device, uint32_t* current, uint32_t* pending) {
  DEVICE_CALL(nvmlDeviceGetMigMode, device, {
    call.result = GET(self->kind) == 2 ? NVML_INVALID_ARGUMENT : give_u32(current, &self->migMode);
    if (call.result == NVML_SUCCESS) call.result = give_u32(pending, &self->migPendingMode);
  });
}

U32_GETTER(SINCE_470, nvmlDeviceGetMaxMigDeviceCount, migMaxCount)

SINCE_470 nvmlReturn nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice device, uint32_t index, nvmlDevice* out) {
  DEVICE_CALL(nvmlDeviceGetMigDeviceHandleByIndex, device, {
    /* A gap in the indices is NOT_FOUND, an index past the last possible one is an argument error. */
    call.result = out == NULL || index >= or_zero(&self->migMaxCount) ? NVML_INVALID_ARGUMENT : NVML_NOT_FOUND;
    for (int slot = 0; call.result == NVML_NOT_FOUND && slot < FAKE_MAX_DEVICES; slot += 1) {
      const FakeDevice* mig = device_at(slot);
      const bool is_it = GET(mig->kind) == 2 && GET(mig->present) != 0 && GET(mig->parent) == call.slot && GET(mig->migIndex) == index;
      if (!is_it) continue;
      *out = handle_of(slot);
      call.result = NVML_SUCCESS;
    }
  });
}

SINCE_470 nvmlReturn nvmlDeviceIsMigDeviceHandle(nvmlDevice device, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceIsMigDeviceHandle, device, {
    if (out == NULL) FAIL(NVML_INVALID_ARGUMENT);
    else *out = GET(self->kind) == 2;
  });
}

static nvmlReturn instance(const FakeDevice* self, const int64_t* word, uint32_t* out) {
  return GET(self->kind) == 2 ? give_u32(out, word) : NVML_INVALID_ARGUMENT;
}
SINCE_470 nvmlReturn nvmlDeviceGetGpuInstanceId(nvmlDevice device, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetGpuInstanceId, device, { call.result = instance(self, &self->gpuInstance, out); });
}
SINCE_470 nvmlReturn nvmlDeviceGetComputeInstanceId(nvmlDevice device, uint32_t* out) {
  DEVICE_CALL(nvmlDeviceGetComputeInstanceId, device, { call.result = instance(self, &self->computeInstance, out); });
}

SINCE_470 nvmlReturn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice device, nvmlDevice* out) {
  DEVICE_CALL(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, device, {
    if (out == NULL || GET(self->kind) != 2) FAIL(NVML_INVALID_ARGUMENT);
    else *out = handle_of((int)GET(self->parent));
  });
}

SINCE_470 nvmlReturn nvmlDeviceGetAttributes_v2(nvmlDevice device, DeviceAttributes* out) {
  DEVICE_CALL(nvmlDeviceGetAttributes_v2, device, {
    if (out == NULL) {
      FAIL(NVML_INVALID_ARGUMENT);
    } else if (GET(self->kind) != 2) {
      FAIL(NVML_NOT_SUPPORTED);
    } else {
      memset(out, 0, sizeof *out);
      out->multiprocessorCount = 16;
      out->sharedCopyEngineCount = 1;
      out->gpuInstanceSliceCount = 1;
      out->computeInstanceSliceCount = 1;
      out->memorySizeMB = or_zero(&self->memTotalBytes) >> 20;
    }
  });
}
